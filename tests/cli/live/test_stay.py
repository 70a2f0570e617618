"""`--stay`: the page and the report can be had after the session has ended."""

import json
import signal
import socket
import subprocess
import urllib.request

import pytest
from started import command


@pytest.mark.slow
def test_it_serves_on_until_ctrl_c():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stays = ["demo", "--speed", "max", "--json", "--stay", "--port", str(port)]
    with subprocess.Popen([*command(), *stays], stdout=subprocess.PIPE, text=True) as demo:
        for line in demo.stdout:
            if json.loads(line)["type"] == "session.ended":
                break
        for path, words in (("", "livemood"), ("v1/report", "How it sounded")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as answer:
                assert words in answer.read().decode()
        assert demo.poll() is None
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0
