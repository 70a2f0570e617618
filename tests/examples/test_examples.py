"""Every example runs as it stands."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr
from websockets.asyncio.client import connect

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RUN = {
    "push_blocks.py",
    "own_detector.py",
    "own_model.py",
    "own_source.py",
    "own_sink.py",
    "alert.py",
    "batch_to_pandas.py",
    "web_service.py",
    "dashboard",
    "pipecat_agent.py",  # tests/integrations: each in an environment of its own
    "livekit_agent.py",
    "notebook.ipynb",
}


@pytest.fixture(scope="module")
def call(demo_file, tmp_path_factory):
    """The first twelve seconds of the demo: each speaker says something."""
    sound, rate = sf.read(demo_file, dtype="float32", frames=48_000 * 12)
    path = tmp_path_factory.mktemp("call") / "call.wav"
    sf.write(path, sound, rate)
    return path


def command(*arguments):
    return [sys.executable, *map(str, arguments)]


def run(name, *arguments, **options):
    """What the example prints, line by line."""
    done = subprocess.run(
        command(EXAMPLES / name, *arguments),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_is_run_and_listed():
    found = {p.name for p in EXAMPLES.iterdir() if p.name not in ("README.md", "__pycache__")}
    assert found == RUN
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(name in listed for name in RUN)


def test_pushed_blocks_give_readings_of_both_speakers(call):
    lines = run("push_blocks.py", call)
    assert {line.split("speaker ")[1][0] for line in lines} == {"0", "1"}


def test_a_detector_of_ones_own_finds_speech(call):
    assert {line.split(":")[0] for line in run("own_detector.py", call)} == {
        "speaker 0",
        "speaker 1",
    }


def test_a_model_of_ones_own_gives_its_labels(call):
    labels = {line.rpartition(" ")[2] for line in run("own_model.py", call)}
    assert labels
    assert labels <= {"calm", "excited", "uncertain"}


@pytest.mark.slow
def test_a_source_of_ones_own_reads_a_pipe(call):
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    reads = ["ffmpeg", "-v", "error", "-re", "-t", "4", "-i", call]
    reads += ["-f", "s16le", "-ac", "1", "-ar", "16000", "-"]
    with subprocess.Popen(reads, stdout=subprocess.PIPE) as ffmpeg:
        lines = run("own_source.py", stdin=ffmpeg.stdout)
    assert int(lines[-1].split()[0]) <= 4000 + 400  # the gate reaches a little further


def test_a_sink_of_ones_own_fills_a_table(call, tmp_path):
    run("own_sink.py", call, tmp_path / "moods.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "moods.db")) as database:
        rows = database.execute("SELECT speaker, start_ms, end_ms, label FROM moods").fetchall()
    assert {row[0] for row in rows} == {0, 1}
    assert all(row[1] < row[2] for row in rows)


@pytest.mark.slow
def test_many_recordings_become_one_table(call):
    pytest.importorskip("pandas")
    lines = run("batch_to_pandas.py", call, call)
    assert "file" in lines[1]
    assert sum(line.startswith("call.wav") for line in lines) == 1


def test_the_notebook_runs_cell_by_cell(call):
    pytest.importorskip("pandas")
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    done = subprocess.run(
        command("-c", code),
        env={**os.environ, "RECORDING": str(call)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "valence" in done.stdout


@pytest.mark.slow
def test_the_alert_says_that_somebody_sounds_angry(demo_file):
    listens = command("-m", "livemood", "listen", "--file", demo_file, "--speed", "1000")
    listens += ["--port", "0", "--stay", "--budget-ms", "60000", "--model", "small"]  # hears it
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(listens, stdout=subprocess.PIPE, text=True, env=env) as monitor:
        try:
            url = monitor.stdout.readline().split()[-1].removesuffix("/v1/timeline")
            lines = run("alert.py", url)
        finally:
            monitor.terminate()
    assert any("sounds angry" in line for line in lines)


async def test_the_web_service_answers_sound_with_labels(call, tmp_path):
    sound, rate = sf.read(call, dtype="float32", frames=48_000 * 4)
    pcm = (32767 * soxr.resample(sound[:, 0], rate, 16000)).astype(np.int16).tobytes()
    serves = command("-m", "uvicorn", "--app-dir", EXAMPLES, "web_service:app", "--port", "0")
    with subprocess.Popen(serves, stderr=subprocess.PIPE, text=True) as server:
        try:
            line = next(line for line in server.stderr if "running on" in line)
            port = line.split("http://127.0.0.1:")[1].split()[0]
            async with connect(f"ws://127.0.0.1:{port}/mood") as socket:
                for at in range(0, len(pcm), 6400):
                    await socket.send(pcm[at : at + 6400])
                await socket.send(b"")
                answers = [json.loads(answer) async for answer in socket]
        finally:
            server.terminate()
    assert answers
    assert all(set(answer) == {"ms", "label"} for answer in answers)
