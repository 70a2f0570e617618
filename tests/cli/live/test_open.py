"""`--open`, and what `--file` of listen takes."""

import json
import os
import subprocess

import pytest
import soundfile as sf
from started import command

from livemood.cli.live.listen import DEMO


def browser(tmp_path):
    """An environment whose browser writes down what it is to show, and that file."""
    shown = tmp_path / "shown"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > "{shown}.part"; mv "{shown}.part" "{shown}"\n')
    program.chmod(0o755)
    return {**os.environ, "BROWSER": f"{program} %s"}, shown


@pytest.mark.slow
def test_open_shows_the_page(tmp_path):
    env, shown = browser(tmp_path)
    process = subprocess.Popen(
        [*command(), "listen", "--file", str(DEMO), "--speed", "max", "--port", "0", "--open"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    page = next(line for line in out.splitlines() if line.startswith("page at "))
    assert shown.read_text().strip() == page.removeprefix("page at ").strip()


def test_open_without_a_page_is_one_line():
    for arguments in (["listen", "--open", "--no-serve"], ["--open", "analyze", "x.wav"]):
        done = subprocess.run(
            [*command(), *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "--open" in line


@pytest.mark.slow
def test_raw_samples_from_standard_input_are_heard_as_their_file_is(tmp_path):
    sound, rate = sf.read(DEMO, dtype="int16")
    sound = sound[: 15 * rate]
    sf.write(tmp_path / "demo.wav", sound, rate, "PCM_16")
    rest = ["--speed", "max", "--json", "--no-serve"]
    raw = ["--rate", str(rate), "--channels", str(sound.shape[1]), "--encoding", "s16le"]
    heard = [
        subprocess.run(listen, input=given, capture_output=True, check=True, timeout=120).stdout
        for listen, given in (
            ([*command(), "listen", "--file", "-", *raw, *rest], sound.tobytes()),
            ([*command(), "listen", "--file", str(tmp_path / "demo.wav"), *rest], b""),
        )
    ]
    labels = [
        [e["label"] for e in map(json.loads, lines.splitlines()) if e["type"] == "segment"]
        for lines in heard
    ]
    assert labels[0] == labels[1]
    assert labels[0]


def test_what_describes_a_file_needs_one():
    for option in (["--rate", "8000"], ["--track", "2"], ["--urls"]):
        done = subprocess.run(
            [*command(), "listen", *option, "--no-serve"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 2
        assert "--file" in done.stderr
