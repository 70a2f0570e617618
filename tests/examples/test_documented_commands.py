"""Every command of the README and of the first tutorial, as it stands there.

Only what must differ where nobody looks at a terminal differs: the port is a free one, the
microphone is named, and `jq` writes each line at once.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile as sf

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "docs/tutorial/first-ten-minutes.md")
ELSEWHERE = (
    # by test_install.py
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/livemood demo",
    # by CI, where it stands as it is
    ".venv/bin/pip install '.[test]' && .venv/bin/pytest",
    # by the reader's shell: it changes that alone
    ". .venv/bin/activate",
)


def commands():
    """The commands of all documents, without comments."""
    found = {}
    for document in DOCUMENTS:
        text = (ROOT / document).read_text("utf-8")
        for kind, block in re.findall(r"(?ms)^```(sh|console)\n(.*?)^```", text):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.partition("  #")[0].strip()
                if kind == "console":
                    assert command.startswith("$ "), line
                    command = command[2:]
                found[command] = document
    return [command for command in found if command not in ELSEWHERE]


@pytest.fixture(scope="module")
def workplace(demo_file, tmp_path_factory):
    """A folder as the reader's, with the recordings that commands name, and a `livemood`."""
    folder = tmp_path_factory.mktemp("work")
    sound, rate = sf.read(demo_file, dtype="float32", frames=48_000 * 12)
    for name in ("call.wav", "call.mp3"):
        sf.write(folder / name, sound, rate)
    assets = folder / "src" / "livemood" / "assets"
    assets.mkdir(parents=True)
    shutil.copy(demo_file, assets)
    shutil.copy(demo_file, folder / "call.opus")
    (folder / "bin").mkdir()
    program = folder / "bin" / "livemood"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m livemood "$@"\n')
    program.chmod(0o755)
    for made in ("call.wav", "call.opus"):
        subprocess.run([program, "analyze", made, "--out", "results"], cwd=folder, check=True)
    return folder


@pytest.fixture
def port():
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def shell(workplace, port, tmp_path):
    """A function that starts a command in the reader's folder."""
    env = {**os.environ, "PATH": f"{workplace / 'bin'}:{os.environ['PATH']}"}
    env |= {"LIVEMOOD_PORT": str(port), "LIVEMOOD_DATA": str(tmp_path), "PYTHONUNBUFFERED": "1"}

    def start(command, **more):
        command = re.sub(r"^livemood listen", f"livemood listen --port {port}", command)
        return subprocess.Popen(
            command.replace("8765", str(port)).replace("| jq", "| jq --unbuffered"),
            shell=True,
            cwd=workplace,
            env=env | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def interrupted(process, until=""):
    """What it has written by the line that holds `until`; then Ctrl-C, which ends it in order."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if until in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    lines += process.stdout.readlines()
    assert not re.search("Traceback|not found", "".join(lines)), "".join(lines)
    assert process.wait(60) in (0, 130, -signal.SIGINT), "".join(lines)
    return "".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_a_documented_command_does_what_it_says(command, shell, workplace, request):
    words = command.split()
    for pipe in re.findall(r"\| (\w+)", command):
        if not shutil.which(pipe):
            pytest.skip(f"needs {pipe}")
    if words[1] == "listen" and not {"--file", "--rtp"} & set(words):
        microphone = request.getfixturevalue("microphone")
        pulse = {name: microphone[name] for name in ("XDG_RUNTIME_DIR", "HOME", "PULSE_SOURCE")}
        command = command.replace("listen", "listen --device pulse")
        play = ["paplay", "-d", "mic", workplace / "call.wav"]
        with shell(command, **pulse) as process, subprocess.Popen(play, env=microphone):
            interrupted(process)
    elif words[1] == "watch":
        with shell("livemood demo --port 8765") as demo:
            demo.stdout.readline()
            with shell(command) as watching:
                interrupted(watching)
            interrupted(demo)
    elif words[1] in ("serve", "listen"):
        with shell(command) as process:
            interrupted(process)
    else:
        with shell(command) as process:
            said = process.communicate(timeout=120)[0]
        expected = (0, 1) if words[1] == "doctor" else (0,)  # 1: something is missing here
        assert process.returncode in expected, said
        assert "Traceback" not in said


def test_commands_run_elsewhere_still_stand_in_the_documents():
    text = "".join((ROOT / document).read_text("utf-8") for document in DOCUMENTS)
    assert all(command in text for command in ELSEWHERE)
