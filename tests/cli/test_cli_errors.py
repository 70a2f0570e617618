"""What goes wrong is one clear line, and nothing is lost, in processes of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
from started import command, livemood

from livemood.cli.main import main
from livemood.timeline.events import parse_event

USAGE, FAILURE = 2, 1
CONTAINERS = ("w64", "aiff", "ogg")


def said(monkeypatch, capfd, *arguments):
    """Exit code, output and errors of the command in this process: quicker than one of its own."""
    monkeypatch.setattr(sys, "argv", ["livemood", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capfd.readouterr()


def test_a_window_beyond_what_the_model_reads_is_refused_at_every_door(
    demo_file, tmp_path, monkeypatch, capfd
):
    doors = (
        ("listen", "--file", demo_file, "--no-serve", "--window", "3.5"),
        ("analyze", demo_file, "--window", "3.5"),
        ("serve", "--data", tmp_path, "--port", "0", "--set", "window=3.5"),
    )
    for door in doors:
        code, out, err = said(monkeypatch, capfd, *door)
        assert (code, out) == (USAGE, "")
        (line,) = err.splitlines()
        assert "3.5 s is too long" in line


@pytest.fixture(scope="module")
def wrong(tmp_path_factory, demo_file):
    """Files that are wrong, each in its own way."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("hello")
    sf.write(folder / "nosound.wav", np.zeros((0, 1)), 16000)
    sound, rate = sf.read(demo_file, dtype="float32")
    sf.write(folder / "whole.flac", sound[: 20 * rate], rate)
    for kind in ("flac", "wav", "w64", "aiff", "ogg"):
        sf.write(folder / f"whole.{kind}", sound[: 20 * rate], rate)
        whole = (folder / f"whole.{kind}").read_bytes()
        (folder / f"truncated.{kind}").write_bytes(whole[: len(whole) // 2])
    (folder / "model").mkdir()
    (folder / "model" / "manifest.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("analyze missing.wav", FAILURE, "no file"),
        ("analyze empty.wav", FAILURE, "is empty"),
        ("analyze text.wav", FAILURE, "WAV, FLAC"),
        ("analyze nosound.wav", FAILURE, "no sound"),
        ("analyze .", FAILURE, "is a folder"),
        ("analyze whole.flac --format docx", USAGE, "json"),
        ("analyze whole.flac --out text.wav", FAILURE, "cannot write"),
        ("listen --file missing.wav", FAILURE, "no file"),
        ("listen --file whole.flac --device 0", USAGE, "give one of"),
        ("listen --file whole.flac --rtp 127.0.0.1:0", USAGE, "give one of"),
        ("listen --rtp 5004", USAGE, "HOST:PORT"),
        ("listen --rtp 192.0.2.1:5004", FAILURE, "cannot receive at 192.0.2.1:5004"),
        ("listen --rtp 127.0.0.1:0 --sdp missing.sdp", USAGE, "cannot read missing.sdp"),
        ("listen --rtp 127.0.0.1:0 --sdp text.wav", USAGE, "m=audio"),
        ("listen --file whole.flac --sdp whole.flac", USAGE, "--rtp"),
        ("listen --rtp 127.0.0.1:0 --window 0.5", USAGE, "too short"),
        ("listen --file whole.flac --speed fast", USAGE, "--speed"),
        ("listen --file whole.flac --speed -1", USAGE, "--speed"),
        ("listen --file whole.flac --window 0.5", USAGE, "too short"),
        ("listen --file whole.flac --hop 0", USAGE, "--hop"),
        ("listen --file whole.flac --hop nan", USAGE, "hop"),
        ("listen --file whole.flac --budget-ms 0", USAGE, "--budget-ms"),
        ("listen --file whole.flac --vad magic", USAGE, "webrtc"),
        ("listen --file whole.flac --model nothing", FAILURE, "default"),
        ("listen --file whole.flac --model model", FAILURE, "damaged"),
        ("listen --file whole.flac --provider tpu", USAGE, "cpu"),
        ("listen --file whole.flac --provider cuda", FAILURE, "CUDA"),
        ("demo --speed 0", USAGE, "--speed"),
        ("listen --file whole.flac --window 31", USAGE, "--window"),
        ("listen --file whole.flac --window nan", USAGE, "--window"),
        ("listen --file whole.flac --hop 0.001", USAGE, "--hop"),
        ("listen --file whole.flac --speed 5000", USAGE, "1000"),
        ("watch ftp://127.0.0.1", USAGE, "ws://"),
        ("watch ws://127.0.0.1:99999", USAGE, "ws://"),
        ("watch ws://[::1", USAGE, "ws://"),
        ("watch ws://..", USAGE, "ws://"),
        ("watch ws://127.0.0.1:9", FAILURE, "livemood listen"),
    ],
)
def test_bad_input_is_one_clear_line(wrong, monkeypatch, capfd, arguments, code, says):
    """In this process, since so many start no other: the next test does that."""
    monkeypatch.chdir(wrong)
    monkeypatch.setattr("livemood.client.FIRST_PATIENCE_S", 0.3)
    ended, out, err = said(monkeypatch, capfd, *arguments.split())
    assert (ended, out) == (code, ""), err
    (line,) = err.splitlines()
    assert line.startswith("livemood: ")
    assert says in line
    assert "Errno" not in line


def test_a_process_ends_with_the_line_and_the_code(wrong):
    for arguments, code in (("analyze missing.wav", FAILURE), ("watch ftp://127.0.0.1", USAGE)):
        done = livemood(*arguments.split(), cwd=wrong)
        assert (done.returncode, done.stdout) == (code, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("livemood: ")


@pytest.mark.parametrize("arguments", ["analyze", "listen --port 99999", "nonsense", "listen --x"])
def test_wrong_usage_exits_with_2(arguments):
    done = livemood(*arguments.split())
    assert done.returncode == USAGE
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "kind", ["flac", "wav", *(pytest.param(k, marks=pytest.mark.slow) for k in CONTAINERS)]
)
def test_a_truncated_file_gives_what_was_read_and_says_so(wrong, kind):
    done = livemood("analyze", f"truncated.{kind}", "--format", "json", cwd=wrong)
    assert done.returncode == FAILURE
    (line,) = done.stderr.splitlines()
    assert f"truncated.{kind} is truncated" in line
    assert json.loads(done.stdout)["channels"][0]["segments"]


def test_a_truncated_file_ends_a_session_with_an_error(wrong):
    done = livemood("analyze", "truncated.flac", "--format", "json", cwd=wrong)
    timeline = json.loads(done.stdout)
    assert timeline["channels"][0]["segments"]
    events = livemood(
        "listen", "--file", "truncated.flac", "--speed", "max", "--json", "--no-serve", cwd=wrong
    )
    assert events.returncode == FAILURE
    last = [parse_event(line) for line in events.stdout.splitlines()][-2:]
    assert [event.type for event in last] == ["error", "session.ended"]
    assert last[1].reason == "error"


@pytest.mark.slow
def test_a_result_that_cannot_be_written_costs_no_other(wrong, tmp_path):
    (tmp_path / "whole.flac.json").mkdir(parents=True)
    (wrong / "other.flac").write_bytes((wrong / "whole.flac").read_bytes())
    done = livemood("analyze", "whole.flac", "other.flac", "--out", tmp_path, cwd=wrong)
    assert done.returncode == FAILURE
    (line,) = done.stderr.splitlines()
    assert "cannot write" in line
    assert {p.name for p in tmp_path.iterdir()} == {"whole.flac.json", "other.flac.json"}


@pytest.mark.e2e
@pytest.mark.slow
def test_listen_says_what_it_needs_to_hear_a_call(demo_file):
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    listen = [*command(), "listen", "--rtp", "127.0.0.1:0", "--json", "--no-serve"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        port = p.stderr.readline().rstrip().rpartition(":")[2]
        send = ["ffmpeg", "-v", "error", "-re", "-i", demo_file, "-t", "4", "-c:a", "libopus"]
        send += ["-f", "rtp", f"rtp://127.0.0.1:{port}"]
        subprocess.run(send, check=True, capture_output=True)
        out, err = p.communicate(timeout=60)
    assert (p.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert "--sdp" in line


def test_an_interrupt_while_nobody_sends_ends_quietly():
    listen = [*command(), "listen", "--rtp", "127.0.0.1:0", "--no-serve"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        p.stderr.readline()
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=20)
    assert (p.returncode, out, err) == (130, "", "")


@pytest.mark.parametrize("at_once", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_disk_is_one_clear_line(wrong, at_once):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*command(), "analyze", "whole.flac"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=wrong,
            env={**os.environ, "PYTHONUNBUFFERED": at_once},
            check=False,
        )
    assert done.returncode == FAILURE
    (line,) = done.stderr.splitlines()
    assert "cannot write" in line


BEGINNING = [
    *("livemood.cli", "livemood.cli.interrupt", "typing", "typer", "pydantic", "numpy"),
    *("livemood.cli.main", "uvicorn"),
]


@pytest.mark.parametrize(
    "after",
    [
        a if a in ("livemood.cli", "uvicorn") else pytest.param(a, marks=pytest.mark.slow)
        for a in BEGINNING
    ],
)
def test_an_interrupt_before_the_beginning_is_quiet(after):
    """Whatever is being imported: no traceback, whatever a library makes of an exception."""
    imports = [sys.executable, "-X", "importtime", "-m", "livemood", "demo", "--port", "0"]
    with subprocess.Popen(
        imports, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        seen = False
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == after:
                seen = True
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert seen
    assert (process.returncode, out) == (130, "")
    assert [line for line in err.splitlines() if not line.startswith("import time:")] == []


def test_a_busy_port_is_one_clear_line(demo_file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = livemood("listen", "--file", demo_file, "--port", port)
    assert done.returncode == FAILURE
    (line,) = done.stderr.splitlines()
    assert f"port {port} of 127.0.0.1 is in use" in line
    assert "--no-serve" in line


@pytest.mark.slow
def test_without_portaudio_the_microphone_says_how_to_install_it(tmp_path):
    # ctypes finds no library: what sounddevice does where PortAudio is not installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes.util\nctypes.util.find_library = lambda name: None\n"
    )
    anew = [sys.executable, "-m", "livemood"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = livemood("listen", "--no-serve", start=anew, env=env)
    assert done.returncode == FAILURE
    (line,) = done.stderr.splitlines()
    assert "libportaudio2" in line
    demo = ("demo", "--speed", "max", "--json", "--no-serve")
    assert livemood(*demo, start=anew, env=env).returncode == 0


def test_importing_needs_neither_portaudio_nor_torch():
    code = "import livemood, sys; livemood.load_model; assert 'torch' not in sys.modules; "
    code += "livemood.analyze; livemood.listen; assert 'sounddevice' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_more_names_than_channels_are_refused_by_listen_as_by_analyze(demo_file):
    listen, analyze = ["listen", "--file", demo_file, "--no-serve"], ["analyze", demo_file]
    for words, code in ((listen, USAGE), (analyze, FAILURE)):
        done = livemood(*words, "--participants", "A,B,C")
        assert done.returncode == code
        (line,) = done.stderr.splitlines()
        assert "has 2 channel(s), but --participants names 3" in line
