"""While a long file is read, the terminal says how far: its lines come by their own clock."""

import os
import re
import signal
import struct
import subprocess
import sys
import wave

import pytest

pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
RATE, HOURS = 8000, 2


@pytest.fixture(scope="module")
def long_file(tmp_path_factory):
    """Two hours of digital silence, for which the disk gives no room."""
    path = tmp_path_factory.mktemp("long") / "night.wav"
    frames = HOURS * 3600 * RATE
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + 2 * frames, b"WAVE") + form)
        file.write(struct.pack("<4sI", b"data", 2 * frames))
        file.truncate(44 + 2 * frames)
    with wave.open(str(path)) as made:
        assert made.getnframes() == frames
    return path


def said_until(command, pattern, count):
    """The distinct matches of `pattern` on a terminal that is standard error, up to `count`."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "livemood", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"},
    ) as process:
        os.close(theirs)
        text = ""
        try:
            while len(found := list(dict.fromkeys(re.findall(pattern, text)))) < count:
                text += os.read(ours, 4096).decode()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            os.close(ours)
    return [int(each) for each in found]


@pytest.mark.slow
def test_listen_says_each_second_how_much_of_two_hours_it_has_read(long_file):
    command = ["listen", "--file", long_file, "--speed", "max", "--no-serve", "--json"]
    seconds = said_until(command, r"read (\d+) of 7200 s, +\d+%", 3)
    assert seconds == sorted(seconds)
    assert 0 < seconds[0] < seconds[-1] <= 7200


def test_analyze_says_how_much_of_two_hours_it_has_read(long_file):
    shares = said_until(["analyze", long_file], r"analyzing .*?(\d+) %", 3)
    assert shares == sorted(shares)
    assert shares[-1] <= 100
