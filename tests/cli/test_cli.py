"""The command line as a user runs it: a process of its own, its output and its exit code."""

import csv
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
import xml.etree.ElementTree as ET

import pytest
import soundfile as sf
from started import command, livemood

from livemood.timeline.events import parse_event, without_wall_clock


def test_demo_prints_events_and_nothing_else(demo_file):
    done = livemood("demo", "--speed", "max", "--json", "--no-serve")
    assert done.returncode == 0
    assert done.stderr == ""
    events = [parse_event(line) for line in done.stdout.splitlines()]
    assert events[0].type == "session.started"
    assert events[-1].type == "session.ended"
    assert {event.channel for event in events if event.type == "emotion"} == {0, 1}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_analyze_prints_one_object(short_file):
    done = livemood("analyze", short_file, "--format", "json")
    assert done.returncode == 0
    timeline = json.loads(done.stdout)
    assert timeline["schema"] == "livemood.timeline/1"
    assert timeline["source"] == "short.flac"
    for channel in timeline["channels"]:
        assert channel["duration_ms"] == pytest.approx(12_000, abs=100)
        assert 0 < channel["speech_ms"] < channel["duration_ms"]
        assert sum(channel["summary"]["shares"].values()) == pytest.approx(1, abs=1e-3)
        for segment in channel["segments"]:
            keys = {"start_ms", "end_ms", "label", "confidence", "valence", "arousal"}
            assert set(segment) == keys


@pytest.mark.slow
def test_analyze_equals_demo_at_full_speed(demo_file):
    heard = livemood("demo", "--speed", "max", "--json", "--no-serve").stdout.splitlines()
    read = livemood("analyze", demo_file, "--format", "jsonl").stdout.splitlines()
    as_dicts = [[without_wall_clock(parse_event(line)) for line in run] for run in (heard, read)]
    # The demo says what it is for and who speaks; nothing else differs.
    said = {"purpose": None, "consent": None, "participants": []}
    assert as_dicts[0][0]["participants"] == ["Clinic", "Caller"]
    as_dicts[0][0] |= said
    assert as_dicts[0] == as_dicts[1]


@pytest.mark.slow
def test_analyze_writes_each_format_and_keeps_what_succeeded(demo_file, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("this is no sound")
    sound, rate = sf.read(demo_file, dtype="float32", frames=48_000 * 12)
    short = tmp_path / "short.flac"
    sf.write(short, sound, rate)
    out = tmp_path / "out"
    for form in ("json", "jsonl", "csv", "vtt", "emotionml"):
        done = livemood("analyze", bad, short, "--format", form, "--out", out, "--jobs", 2)
        assert done.returncode == 1
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert "bad.wav" in line
        assert (out / f"short.flac.{form}").stat().st_size > 200
    rows = list(csv.DictReader(io.StringIO((out / "short.flac.csv").read_text())))
    assert rows[0]["label"]
    assert ET.parse(out / "short.flac.emotionml").getroot().get("version") == "1.0"


def test_files_of_one_name_do_not_overwrite_each_other(demo_file, tmp_path):
    sound, rate = sf.read(demo_file, dtype="float32")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        sf.write(tmp_path / folder / "x.wav", sound[: 5 * rate], rate)
    done = livemood("analyze", tmp_path / "a/x.wav", tmp_path / "b/x.wav", "--out", tmp_path / "o")
    assert done.returncode == 0
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["x.wav-2.json", "x.wav.json"]


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("mp3", None),
        pytest.param("flac", None, marks=pytest.mark.slow),
        pytest.param("ogg", "VORBIS", marks=pytest.mark.slow),
    ],
)
def test_file_formats(demo_file, tmp_path, form, subtype):
    sound, rate = sf.read(demo_file, dtype="float32")
    path = tmp_path / f"x.{form}"
    sf.write(path, sound[: 8 * rate], rate, subtype=subtype)
    done = livemood("analyze", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["channels"][0]["segments"]


@pytest.mark.slow
def test_listen_writes_the_timeline_into_a_folder(demo_file, tmp_path):
    done = livemood(
        "listen", "--file", demo_file, "--speed", "max", "--no-serve", "--out", tmp_path
    )
    assert done.returncode == 0
    assert "synthetic" not in done.stdout
    whole = json.loads((tmp_path / "demo.opus.json").read_text())
    lines = (tmp_path / "demo.opus.jsonl").read_text().splitlines()
    assert whole["channels"][0]["summary"]["shares"]
    assert parse_event(lines[-1]).type == "session.ended"
    assert {p.name for p in tmp_path.iterdir()} == {"demo.opus.json", "demo.opus.jsonl"}
    assert done.stderr == f"wrote {tmp_path / 'demo.opus.jsonl'} and demo.opus.json\n"


def test_without_a_terminal_segments_and_summary_are_plain_lines(short_file):
    done = livemood("listen", "--file", short_file, "--speed", "max", "--no-serve")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "not what a person feels" in done.stdout


def test_ctrl_c_closes_the_segment_prints_the_summary_and_exits_0(demo_file):
    process = subprocess.Popen(
        [*command(), "listen", "--file", str(demo_file), "--json", "--no-serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    kinds = []
    for line in process.stdout:
        event = parse_event(line)
        kinds.append(event.type)
        if event.type == "emotion" and kinds.count("emotion") == 3:
            process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    assert kinds[-3:] == ["segment", "speech.ended", "session.ended"]
    assert event.reason == "interrupted"


@pytest.mark.slow
def test_a_missed_budget_is_said_and_the_hop_stretched(demo_file, tmp_path):
    sound, rate = sf.read(demo_file, dtype="float32")
    sf.write(tmp_path / "x.wav", sound[: 9 * rate, 0], rate)
    done = livemood(
        "listen", "--file", tmp_path / "x.wav", "--json", "--no-serve", "--budget-ms", "0.01"
    )
    assert done.returncode == 0
    events = [parse_event(line) for line in done.stdout.splitlines()]
    load = [event for event in events if event.type == "load"]
    assert [event.behind for event in load] == [True]
    readings = [event for event in events if event.type == "emotion"]
    assert readings[0].behind
    hops = [b.end_ms - a.end_ms for a, b in itertools.pairwise(readings)]
    assert max(hops) > load[0].hop_ms >= 2 * 240  # the model asks for 240


@pytest.mark.slow
def test_a_watcher_sees_what_the_monitor_says(demo_file, tmp_path):
    listener = subprocess.Popen(
        [*command(), "listen", "--file", str(demo_file), "--speed", "4", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    url, page = (listener.stdout.readline().split()[-1] for _ in range(2))
    assert page.startswith("http://")
    watchers = []
    for name, address in (("socket", url.removesuffix("/v1/timeline")), ("page", page)):
        with (tmp_path / name).open("w") as file:
            watch = [*command(), "watch", address, "--json"]
            watchers.append(subprocess.Popen(watch, stdout=file))
    assert [watcher.wait(120) for watcher in watchers] == [0, 0]
    for name in ("socket", "page"):
        events = [parse_event(line) for line in (tmp_path / name).read_text().splitlines()]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert events[-1].type == "session.ended"
    assert listener.wait(30) == 0


def test_a_reader_that_goes_away_ends_the_program_quietly():
    process = subprocess.Popen(
        [*command(), "demo", "--speed", "max", "--json", "--no-serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parse_event(process.stdout.readline()).type == "session.started"
    process.stdout.close()
    assert process.wait(20) == FAILURE
    assert process.stderr.read() == ""


def test_version_models_and_help():
    assert livemood("--version").stdout.startswith("livemood 0.")
    shipped = livemood("models").stdout.splitlines()
    assert [line.split()[0] for line in shipped] == ["default", "small"]
    assert "listen" in livemood("--help").stdout


def test_doctor_says_what_is_missing():
    done = livemood("doctor", "--port", "0")
    assert "ok       model: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert (done.returncode == 1) == ("MISSING" in done.stdout)


USAGE, FAILURE = 2, 1


@pytest.mark.slow
def test_a_demo_that_stays_serves_its_report_after_the_end():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listen = [*command(), "demo", "--speed", "max", "--json", "--port", str(port), "--stay"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as p:
        try:
            assert any(parse_event(line).type == "session.ended" for line in p.stdout)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/report") as report:
                assert report.read().startswith(b"<!doctype html>")
            assert p.poll() is None
        finally:
            p.terminate()
    assert p.returncode == 0


@pytest.mark.slow
@pytest.mark.e2e
def test_listen_hears_a_call(demo_file):
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    listen = [*command(), "listen", "--rtp", "127.0.0.1:0", "--json", "--no-serve"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        waiting = p.stderr.readline()
        port = waiting.rstrip().rpartition(":")[2]
        send = ["ffmpeg", "-v", "error", "-re", "-i", demo_file, "-t", "8", "-ac", "1"]
        send += ["-ar", "8000", "-c:a", "pcm_alaw", "-f", "rtp", f"rtp://127.0.0.1:{port}"]
        subprocess.run(send, check=True, capture_output=True)  # and it says goodbye
        out, err = p.communicate(timeout=60)
    assert waiting.startswith("waiting for a sender: rtp 127.0.0.1:")
    assert (p.returncode, err) == (0, "")
    events = [parse_event(line) for line in out.splitlines()]
    assert events[0].source == f"rtp 127.0.0.1:{port}"
    assert events[-1].type == "session.ended"
    assert 7000 < max(event.end_ms for event in events if event.type == "emotion") <= 8100
    # A sender that says nothing more is lost after a second, whether or not it will come back.
    assert [e.cause for e in events if e.type == "gap" and e.start_ms >= 7900] in (
        [],
        ["no_packets"],
    )


@pytest.mark.parametrize("speed", [10, 1000])
@pytest.mark.slow
def test_faster_than_real_time_is_on_time_and_loses_nothing(demo_file, speed):
    done = livemood(
        *("listen", "--file", demo_file, "--speed", speed, "--json", "--no-serve"),
        *("--budget-ms", 60000),
    )
    events = [parse_event(line) for line in done.stdout.splitlines()]
    assert not [event for event in events if event.type in ("gap", "load", "error")]
    assert [e.type for e in events].count("emotion") == livemood(
        "analyze", demo_file, "--format", "jsonl"
    ).stdout.count('"emotion"')
