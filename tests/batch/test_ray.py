"""Archives on a real Ray cluster of two nodes, one of which is killed in the middle."""

import json
import os
import subprocess
import sys
import threading

import pytest
import soundfile as sf
from pyarrow import parquet

from livemood.batch import ArchiveFile, ArchiveFolder, FileReader, Shard, read_archive
from livemood.batch.on_ray import read_on_ray
from livemood.engine import MonitorSettings
from livemood.errors import LivemoodError, UsageError
from livemood.sources import FileSource

FILES = 60
SOUNDS = 3
KILL_AFTER = 12
CHANGING = {"session", "time", "latency_ms", "source"}


def kept(value):
    """A timeline, less what differs from run to run."""
    if isinstance(value, dict):
        return {key: kept(inside) for key, inside in value.items() if key not in CHANGING}
    return [kept(inside) for inside in value] if isinstance(value, list) else value


@pytest.fixture
def cluster(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.fixture
def files(demo_file, tmp_path):
    sound, rate = sf.read(demo_file, dtype="float32", frames=14 * 48000)
    made = []
    for number in range(FILES):
        path = tmp_path / f"call{number}.wav"
        if number < SOUNDS:
            sf.write(path, sound[number * 3 * rate :][: 3 * rate, 0], rate)
        else:
            os.link(tmp_path / f"call{number % SOUNDS}.wav", path)
        made.append(ArchiveFile(path.name, str(path)))
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    return [*made[:30], ArchiveFile(broken.name, str(broken)), *made[30:]]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_node_that_is_killed_costs_the_files_that_it_was_reading_and_nothing_else(
    cluster, files, tmp_path
):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    reader = FileReader(MonitorSettings(), "default", "cpu", FileSource)
    folder = ArchiveFolder(tmp_path / "out", Shard(), reader.describe())
    killed = threading.Event()

    def report(state, outcome):
        if state.done == KILL_AFTER:
            cluster.remove_node(nodes[1], allow_graceful=False)
            killed.set()

    state = read_archive(files, folder, lambda f: read_on_ray(f, reader, cluster.address), report)
    assert killed.is_set()
    assert (state.read, state.failed) == (FILES, 1)
    failures = [json.loads(line) for line in folder.failures.open()]
    assert [row["path"] for row in failures] == ["broken.wav"]

    expected = [reader(file) for file in files[:SOUNDS]]
    for number in range(FILES):
        timeline = json.loads(folder.timeline(ArchiveFile(f"call{number}.wav", "")).read_text())
        assert kept(timeline) == kept(json.loads(expected[number % SOUNDS].text))
    assert any(outcome.segments for outcome in expected)
    paths = parquet.read_table(tmp_path / "out" / "channels")["path"].to_pylist()
    assert sorted(paths) == sorted(f"call{n}.wav" for n in range(FILES))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_starts_a_cluster_of_its_own(files, tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "calls.txt").write_text("call0.wav\ncall1.wav\nbroken.wav\n")
    done = subprocess.run(
        [sys.executable, "-m", "livemood", "analyze", "calls.txt", "--ray", "local", "--out", "o"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=500,
        check=False,
    )
    assert done.stdout == "3 files in o: 2 read, 1 failed\n"
    assert done.returncode == 1
    assert "broken.wav is not sound" in done.stderr
    assert "Traceback" not in done.stderr
    assert parquet.read_table(tmp_path / "o" / "channels").num_rows == 2


def test_an_address_that_is_none_is_refused_before_anything_is_tried():
    pytest.importorskip("ray")
    reader = FileReader(MonitorSettings(), "default", "cpu", FileSource)
    file = ArchiveFile("a", "/a")
    with pytest.raises(UsageError, match="give auto, HOST:PORT"):
        next(read_on_ray([file], reader, "somewhere"))
    with pytest.raises(LivemoodError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: Conn"):
        next(read_on_ray([file], reader, "127.0.0.1:1"))
