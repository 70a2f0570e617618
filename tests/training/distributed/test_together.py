"""`livemood train` under torchrun, as it is called: two processes train what one does."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # each starts torch several times

RECIPE = """
name = "together"
seed = 3
labels = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]
licence = "CC BY-NC-SA 4.0"

[label_map]
calm = "neutral"

[[corpora]]
name = "few"
licence = "CC BY-NC-SA 4.0"

[network]
channels = 4
hidden = 8
recurrent = 4
dropout = 0.3
state_carryover = 0.5
statistics_pooling = 6

[augment]
mixup = 0.4

[fit]
epochs = 3
batch_size = 7
validation_share = 0.2
"""
FROZEN = ("network.pretrained=before", "fit.encoder_lr_scale=0.3", "fit.frozen_blocks=3")


@pytest.fixture(scope="module")
def few(corpora, tmp_path_factory):
    """Some fifty clips of eight speakers, the recipe, and a run that others go on from."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "few").mkdir()
    with (corpora / "ravdess" / "metadata.csv").open(newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if int(r["speaker"][-2:]) <= 8]
    with (folder / "few" / "metadata.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["path", "speaker", "label"])
        for row in rows[::9]:
            writer.writerow([corpora / "ravdess" / row["path"], row["speaker"], row["emotion"]])
    (folder / "recipe.toml").write_text(RECIPE)
    done = started(folder, 1, folder / "before", "--set", "fit.epochs=1")
    assert done.returncode == 0, done.stderr
    return folder


def arguments(few, processes, out, *more):
    several = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    start = [sys.executable, "-m", *(several if processes > 1 else []), "livemood"]
    where = ["--corpora", few, "--encoders", few, "--cache", few / "cache", "--device", "cpu"]
    return list(map(str, [*start, "train", few / "recipe.toml", *where, "--out", out, *more]))


def started(few, processes, out, *more):
    return subprocess.run(
        arguments(few, processes, out, *more),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def changes(*overrides):
    return [word for each in overrides for word in ("--set", each)]


def curve(run):
    return [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]


def weights(run):
    return torch.load(run / "checkpoint.pt", weights_only=True)["ema"]


CLOSE = 5e-3
"""Of weights: a few of AdamW's steps, which are whole ones where a gradient is rounding alone."""


def compare(one, other):
    """The largest difference of a loss, and of a weight."""
    rows = list(zip(curve(one), curve(other), strict=True))
    for a, b in rows:
        assert a["accuracy"] == pytest.approx(b["accuracy"], abs=1e-6)
        assert a["validation_uar"] == pytest.approx(b["validation_uar"], abs=1e-6)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    # These move no output: a softmax or a batch norm follows, which takes away what all rows have
    # in common. Their gradients are rounding alone, and AdamW makes whole steps of them.
    unseen = ("attention.2.bias", *(f"convolutions.{n}.bias" for n in (0, 4, 8)))
    counted = [name for name in ours if not name.endswith(unseen)]
    moved = max(float((ours[k].float() - theirs[k].float()).abs().max()) for k in counted)
    return max(abs(a["loss"] - b["loss"]) for a, b in rows), moved


@pytest.mark.parametrize(
    "overrides", [(), FROZEN], ids=["batch norms that learn", "frozen batch norms"]
)
def test_two_processes_train_what_one_does(few, tmp_path, overrides, record_property):
    """Dropout, mixup, states that are carried over and batch norms, with batches of uneven size."""
    for processes in (1, 2):
        done = started(few, processes, tmp_path / str(processes), *changes(*overrides))
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("epoch 3/3") == 1
        assert done.stdout.count("written: ") == 1
    loss, weight = compare(tmp_path / "1", tmp_path / "2")
    record_property("differences", f"loss {loss:.1e}, weight {weight:.1e}")
    assert loss < 1e-3
    assert weight < CLOSE
    names = [sorted(path.name for path in (tmp_path / n).iterdir()) for n in ("1", "2")]
    assert names[0] == names[1]


def test_more_processes_than_a_batch_has_rows(few, tmp_path):
    for processes in (1, 3):
        more = changes("fit.batch_size=2", "fit.epochs=1")
        done = started(few, processes, tmp_path / str(processes), *more)
        assert done.returncode == 0, done.stderr
    loss, weight = compare(tmp_path / "1", tmp_path / "3")
    assert loss < 1e-3
    assert weight < CLOSE


def test_folds_are_trained_by_two_and_measured_by_the_first(few, tmp_path):
    more = [*changes("fit.epochs=1"), "--folds", "group:2"]
    for processes in (1, 2):
        done = started(few, processes, tmp_path / str(processes), *more)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("written: ") == 1
    for fold in ("fold01", "fold02"):
        loss, weight = compare(tmp_path / "1" / fold, tmp_path / "2" / fold)
        assert loss < 1e-3
        assert weight < CLOSE


def test_two_go_on_where_one_was_and_a_killed_one_ends_both_with_a_line(few, tmp_path):
    run = tmp_path / "run"
    long = changes("fit.epochs=400", "fit.patience=400")
    process = subprocess.Popen(
        arguments(few, 2, run, *long), stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    )
    while (line := process.stderr.readline()) and "epoch 2/" not in line:
        pass
    ranks = {rank_of(child): child for child in children(process.pid)}
    os.kill(ranks["1"], signal.SIGKILL)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    # Who notices first says so: the process that is left, or torchrun, which then ends it.
    assert "livemood: another process of this training ended" in said or "Signal 9" in said
    assert not re.search(r'File ".*livemood', said)
    before = len(curve(run))
    # One process goes on, by the same recipe; the first epochs are not computed anew.
    process = subprocess.Popen(
        arguments(few, 1, run, *long), stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    )
    first = next(line for line in process.stderr if "epoch " in line)
    process.kill()
    process.communicate()
    assert f"epoch {before + 1}/400" in first


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--only", "1"], "--only names folds: say which with --folds"),
        (
            changes("network.kind=streaming-encoder", "network.pretrained=whisper-tiny-en"),
            "a streaming-encoder is trained by one process",
        ),
    ],
)
def test_what_cannot_be_trained_together_is_said_once(few, tmp_path, more, line):
    done = started(few, 2, tmp_path / "run", *more)
    assert done.returncode == 1
    assert done.stderr.count(line) == 1
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def children(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def rank_of(pid):
    read = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    pairs = dict(pair.partition(b"=")[::2] for pair in read)
    return pairs.get(b"RANK", b"").decode()
