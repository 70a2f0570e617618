"""`livemood analyze` of an archive: resumed by what is there, in shards, as JSON and Parquet."""

import json
import signal
import subprocess
import sys

import pytest
import soundfile as sf
from pyarrow import parquet
from started import command

from livemood.batch import ArchiveFile, ArchiveFolder, FileReader, Outcome, Shard, read_archive
from livemood.engine import MonitorSettings
from livemood.errors import LivemoodError, UsageError
from livemood.sources import FileSource


def analyze(*arguments, **options):
    return subprocess.run(
        [*command(), "analyze", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        **options,
    )


def timelines(out):
    """What the timelines say, less what differs from run to run."""
    changing = {"session", "time", "latency_ms", "source"}

    def kept(value):
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items() if k not in changing}
        return [kept(v) for v in value] if isinstance(value, list) else value

    found = sorted((out / "timelines").rglob("*.json"))
    return {path.name: kept(json.loads(path.read_text("utf-8"))) for path in found}


@pytest.fixture(scope="module")
def archive(demo_file, tmp_path_factory):
    """A manifest of five files: three of speech, one that is no sound, one that is cut off."""
    folder = tmp_path_factory.mktemp("archive")
    sound, rate = sf.read(demo_file, dtype="float32", frames=14 * 48000)
    (folder / "in").mkdir()
    for number in range(3):
        part = sound[number * 3 * 48000 :][: 5 * 48000, 0]
        sf.write(folder / "in" / f"call{number}.wav", part, rate)
    (folder / "none.wav").write_bytes(b"no sound at all")
    sf.write(folder / "whole.flac", sound[: 5 * 48000, 0], rate)
    whole = (folder / "whole.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "whole.flac").unlink()
    rows = ["in/call0.wav", "in/call1.wav", "in/call2.wav", "none.wav", "cut.flac", "in/call0.wav"]
    (folder / "calls.csv").write_text("path,agent\n" + "".join(f"{row},x\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def whole(archive):
    """The archive read by one process."""
    done = analyze("calls.csv", "--out", "whole", cwd=archive)
    return done, archive / "whole"


def test_each_file_gives_a_timeline_and_rows_and_a_failing_one_costs_itself_alone(whole):
    done, out = whole
    assert done.returncode == 1
    assert done.stdout == "5 files in whole: 3 read, 2 failed\n"
    assert "none.wav is not sound" in done.stderr
    assert "Traceback" not in done.stderr
    channels = parquet.read_table(out / "channels").to_pylist()
    paths = ["cut.flac", "in/call0.wav", "in/call1.wav", "in/call2.wav"]
    assert sorted(row["path"] for row in channels) == paths
    failures = [json.loads(line) for line in (out / "failures/shard-1-of-1.jsonl").open()]
    assert {row["path"]: row["partly_read"] for row in failures} == {
        "none.wav": False,
        "cut.flac": True,
    }
    by_path = {row["path"]: row for row in channels}
    segments = parquet.read_table(out / "segments").to_pylist()
    for path in (out / "timelines").rglob("*.json"):
        found = json.loads(path.read_text())
        (channel,) = found["channels"]
        name = next(p for p in by_path if path.name.startswith(p.rpartition("/")[2]))
        row = by_path[name]
        assert row["duration_ms"] == channel["duration_ms"]
        assert row["label"] == channel["summary"]["dominant"]
        assert dict(row["shares"]) == pytest.approx(channel["summary"]["shares"])
        spans = [(s["start_ms"], s["end_ms"], s["label"]) for s in channel["segments"]]
        mine = [s for s in segments if s["path"] == name]
        assert [(s["start_ms"], s["end_ms"], s["label"]) for s in mine] == spans
    assert any(row["speech_ms"] for row in channels)


def test_a_second_run_reads_only_what_failed(whole, archive):
    _, out = whole
    before = {path: path.stat().st_mtime_ns for path in (out / "timelines").rglob("*.json")}
    done = analyze("calls.csv", "--out", "whole", cwd=archive)
    assert done.returncode == 1
    assert done.stdout == "5 files in whole: 0 read, 4 were there, 2 failed\n"
    after = {path: path.stat().st_mtime_ns for path in (out / "timelines").rglob("*.json")}
    assert after == before
    assert parquet.read_table(out / "channels").num_rows == 4


@pytest.mark.slow
def test_shards_in_processes_give_together_what_one_process_gives(whole, archive):
    reads = [*command(), "analyze", "calls.csv", "--out", "parts"]
    parts = [
        subprocess.Popen(
            [*reads, "--shard", f"{n}/2", "--jobs", "2"],
            cwd=archive,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for n in (1, 2)
    ]
    for part in parts:
        _, said = part.communicate(timeout=150)
        assert part.returncode in (0, 1), said
        assert b"Traceback" not in said
    out = archive / "parts"
    assert timelines(out) == timelines(whole[1])

    def rows(folder):
        found = parquet.read_table(folder).to_pylist()
        return sorted(found, key=lambda row: (row["path"], row.get("start_ms", 0)))

    for table in ("channels", "segments"):
        assert rows(out / table) == rows(whole[1] / table)


def test_other_settings_do_not_go_into_the_same_folder(whole, archive):
    done = analyze("calls.csv", "--out", "whole", "--no-baseline", cwd=archive)
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        "whole was read with different settings: choose another --out, "
        "or the same options as before"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calls.csv"], "an archive needs a folder for its results: add --out DIR"),
        (["calls.csv", "--out", "x", "--format", "csv"], "leave out --format csv"),
        (["calls.csv", "--out", "x", "--shard", "3/2"], "give I/N"),
        (["-", "--out", "x", "--resume"], "standard input is no part of an archive"),
        (["calls.csv", "--out", "x", "--ray", "127.0.0.1:1"], "no Ray cluster answers at"),
    ],
)
def test_what_makes_no_archive_is_said_in_one_line(archive, arguments, said):
    if "--ray" in arguments:
        pytest.importorskip("ray")
    done = analyze(*arguments, cwd=archive)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


# What a run leaves that is killed at the worst moment.


def outcomes(archive, tmp_path, count=3):
    reader = FileReader(MonitorSettings(), "default", "cpu", FileSource)
    files = [ArchiveFile(f"call{n}.wav", str(archive / "in" / f"call{n}.wav")) for n in range(3)]
    return reader, files[:count], ArchiveFolder(tmp_path / "out", Shard(), reader.describe())


def test_rows_that_a_killed_run_did_not_write_are_made_from_its_timelines(archive, tmp_path):
    reader, files, folder = outcomes(archive, tmp_path)
    for file in files[:2]:
        folder.take(reader(file))
    # The rows wait in memory, where a run that is killed loses them.
    (tmp_path / "out" / "segments" / "shard-1-of-1-000001.parquet").write_bytes(b"half")
    again = ArchiveFolder(tmp_path / "out", Shard(), reader.describe())
    state = read_archive(files, again, lambda missing: map(reader, missing))
    assert (state.before, state.read) == (2, 1)
    table = parquet.read_table(tmp_path / "out" / "channels")
    assert sorted(table["path"].to_pylist()) == [file.name for file in files]
    assert parquet.read_table(tmp_path / "out" / "segments").num_rows > 0


def test_a_run_that_ends_by_an_error_keeps_what_it_read(archive, tmp_path):
    reader, files, folder = outcomes(archive, tmp_path)

    def engine(missing):
        yield reader(missing[0])
        raise LivemoodError("the cluster is gone")

    with pytest.raises(LivemoodError, match="the cluster is gone"):
        read_archive(files, folder, engine)
    assert parquet.read_table(tmp_path / "out" / "channels").num_rows == 1


def test_a_folder_that_holds_nonsense_is_said_to_be(archive, tmp_path):
    reader, files, folder = outcomes(archive, tmp_path, 1)
    folder.take(Outcome(files[0], "{}"))
    again = ArchiveFolder(tmp_path / "out", Shard(), reader.describe())
    with pytest.raises(LivemoodError, match="is no timeline: remove it"):
        read_archive(files, again, lambda _: iter(()))
    (tmp_path / "out" / "channels" / "shard-1-of-1-000001.parquet").write_bytes(b"nonsense")
    with pytest.raises(LivemoodError, match=r"cannot be read .*: remove it"):
        read_archive(files, again, lambda _: iter(()))
    (tmp_path / "out" / "archive.json").write_text("{}")
    with pytest.raises(UsageError, match="different model and participants and settings"):
        ArchiveFolder(tmp_path / "out", Shard(), reader.describe())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process alone")
def test_ctrl_c_leaves_what_a_second_run_goes_on_from(archive):
    out = archive / "stopped"
    reads = [*command(), "analyze", "calls.csv", "--out", out, "--jobs", "2"]
    with subprocess.Popen(reads, cwd=archive, stderr=subprocess.PIPE, text=True) as running:
        assert "none.wav is not sound" in running.stderr.readline()  # it is in the middle
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert "Traceback" not in said
    done = analyze("calls.csv", "--out", out, cwd=archive)
    assert done.stdout.startswith(f"5 files in {out}: ")
    assert parquet.read_table(out / "channels").num_rows == 4
