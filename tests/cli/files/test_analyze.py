"""`livemood analyze`: tables, folders, raw samples, tracks, names."""

import csv
import functools
import http.server
import io
import json
import subprocess
import threading

import pytest
import soundfile as sf
from started import command


def analyze(*arguments, **options):
    return subprocess.run(
        [*command(), "analyze", *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def folder(demo_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    sound, rate = sf.read(demo_file, dtype="float32", frames=12 * 48000)
    (folder / "inside").mkdir()
    sf.write(folder / "a.wav", sound, rate)
    sf.write(folder / "inside" / "b.flac", sound[:, 0], rate)
    (folder / "inside" / "notes.txt").write_text("no sound")
    return folder


def test_a_table_for_people_is_what_is_printed(folder):
    done = analyze("a.wav", "inside/b.flac", "--participants", "Clinic", cwd=folder)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.decode().splitlines()
    assert head.split() == [
        "file",
        "channel",
        "length",
        "speech",
        "sounds",
        "shares",
        "valence",
        "arousal",
    ]
    assert [row.split()[:2] for row in rows[::2]] == [
        ["a.wav", "Clinic"],
        ["inside/b.flac", "Clinic"],
    ]
    assert rows[1].split()[0] == "1"
    assert "%" in rows[0]


def test_folders_and_patterns_stand_for_the_files_in_them(folder):
    done = analyze(".", "*.wav", "--recursive", "--format", "csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert {row["file"] for row in rows} == {"a.wav", "inside/b.flac"}
    assert "start_ms" in rows[0]
    for wrong, says in (("inside", "--recursive"), ("*.mp3", "no file matches")):
        done = analyze(wrong, cwd=folder)
        assert done.returncode == 1
        assert says in done.stderr.decode()


def without_names(text):
    timeline = json.loads(text)
    return [
        {k: v for k, v in e.items() if k not in ("time", "session", "latency_ms")}
        for channel in timeline["channels"]
        for e in channel["events"]
    ]


def test_standard_input_reads_as_the_file_does(folder):
    whole = without_names(analyze("a.wav", "--format", "json", cwd=folder).stdout)
    sound, rate = sf.read(folder / "a.wav", dtype="int16")
    for data, options in (
        ((folder / "a.wav").read_bytes(), []),
        (sound.astype("<i2").tobytes(), ["--rate", rate, "--channels", 2]),
    ):
        done = analyze("-", "--format", "json", *options, input=data)
        assert done.returncode == 0, done.stderr
        assert without_names(done.stdout) == whole
        assert json.loads(done.stdout)["source"] == "standard input"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--channels", 2], "--rate"),
        (["--rate", 8000, "--encoding", "opus"], "no raw encoding"),
        (["--rate", 1], "1000 to 768000"),
        (["--ignore-channel", 2], "no channel 2"),
        (["--participants", "A,B,C"], "names 3"),
        (["--track", 2], "no audio track 2"),
        (["--rate", 8000, "--channels", 0], "1 to 64 channels"),
        (["--participants", "A" * 201], "at most 200 characters"),
        (["-"], "standard input is empty"),
    ],
)
def test_options_that_make_no_sense_are_one_clear_line(folder, options, says):
    named = [] if options == ["-"] else ["a.wav"]
    done = analyze(*named, *options, cwd=folder, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    (line,) = done.stderr.decode().splitlines()
    assert says in line


@pytest.mark.slow
def test_a_channel_that_is_ignored_is_not_read_and_the_other_is_as_before(folder):
    before = json.loads(analyze("a.wav", "--format", "json", cwd=folder).stdout)["channels"]
    done = analyze("a.wav", "--format", "json", "--ignore-channel", 0, cwd=folder)
    after = json.loads(done.stdout)["channels"]
    assert before[0]["speech_ms"] > 0
    assert after[0]["speech_ms"] == 0
    assert after[1]["segments"] == before[1]["segments"]
    table = analyze("a.wav", "--ignore-channel", 0, cwd=folder).stdout.decode().splitlines()
    assert "not read" in table[1]
    assert "not read" not in table[2]


@pytest.mark.slow
def test_an_address_is_fetched_only_if_asked_for(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/a.wav"
        refused, fetched = analyze(url), analyze(url, "--urls", "--format", "json")
        missing = analyze(url + "x", "--urls")
        server.shutdown()
    closed = analyze(url, "--urls")
    assert closed.stderr.endswith(b"a.wav cannot be fetched: Connection refused\n")
    assert refused.returncode == missing.returncode == closed.returncode == 1
    assert b"--urls" in refused.stderr
    assert b"404" in missing.stderr
    whole = analyze("a.wav", "--format", "json", cwd=folder)
    assert without_names(fetched.stdout) == without_names(whole.stdout)
