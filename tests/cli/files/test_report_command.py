"""`livemood report` as a user runs it."""

import shutil
import sys

import pytest
from started import livemood


@pytest.fixture(scope="module")
def folder(short_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("timelines")
    for form in ("json", "jsonl"):
        assert livemood("analyze", short_file, "--format", form, "--out", out).returncode == 0
    return out


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_of_a_timeline(folder, tmp_path, form):
    out = tmp_path / "r.html"
    done = livemood("report", folder / f"short.flac.{form}", "-o", out, "--language", "zh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = out.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "short.flac" in text
    assert "愤怒" in text


def test_wrong_requests_are_one_line(folder, tmp_path):
    out = tmp_path / "r.html"
    torn = tmp_path / "torn.jsonl"
    torn.write_text((folder / "short.flac.jsonl").read_text("utf-8")[:-50], "utf-8")
    cut = tmp_path / "cut.json"
    cut.write_text((folder / "short.flac.json").read_text("utf-8")[:300], "utf-8")
    other = tmp_path / "other.json"
    other.write_text("[1, 2]", "utf-8")
    sound = tmp_path / "sound.json"
    shutil.copy(sys.executable, sound)
    wrong = [
        (("nothing.json",), "no file nothing.json"),
        ((torn,), "the end of one is missing"),
        ((cut,), "the end of one is missing"),
        ((other,), "no timeline: event: give named fields"),
        ((sound,), "no timeline"),
        (("0123456789abcdef", "--data", tmp_path / "none"), "no session"),
        (("0123456789abcdef", "--server", "ftp://x"), "http://"),
        (("0123456789abcdef", "--server", "http://127.0.0.1:1"), "no server answers"),
        ((folder / "short.flac.json", "--language", "xx"), "en, zh"),
    ]
    for arguments, why in wrong:
        done = livemood("report", *arguments, "-o", out)
        assert done.returncode != 0
        (line,) = done.stderr.splitlines()
        assert why in line
        assert not out.exists()
