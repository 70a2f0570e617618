"""The tutorial "your first model": its recipe and its commands, on real recordings."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "your-first-model.md"
NAMES = {"ravdess-01": "ada", "ravdess-02": "ben", "ravdess-03": "chen", "ravdess-04": "dana"}
FEW = ("--set", "fit.epochs=1", "--set", "augment.copies=2")
"""What makes training short; everything else is as the tutorial says."""
pytestmark = [pytest.mark.slow, pytest.mark.corpora, pytest.mark.timeout(900)]


def blocks(kind):
    """The code blocks of one kind."""
    text = TUTORIAL.read_text("utf-8")
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", text)


@pytest.fixture(scope="module")
def folder(corpora, tmp_path_factory):
    """The reader's folder: recordings of four people, their table, the recipe, the models."""
    pytest.importorskip("torch", reason="needs the extra train")
    place = tmp_path_factory.mktemp("reader")
    mine = place / "corpora" / "mine"
    mine.mkdir(parents=True)
    with (corpora / "ravdess" / "metadata.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["speaker"] in NAMES]
    with (mine / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(blocks("csv")[0].splitlines()[0].split(","))
        for row in rows:
            if row["emotion"] in ("neutral", "angry"):
                path = corpora / "ravdess" / row["path"]
                (mine / path.name).symlink_to(path)
                table.writerow([path.name, NAMES[row["speaker"]], row["emotion"]])
    (place / "mine.toml").write_text(blocks("toml")[0], "utf-8")
    (place / "models").symlink_to(ROOT / "models")
    return place


def run(folder, command, *more):
    """Run a command of the tutorial in the reader's folder."""
    program, *words = command.split()
    assert program == "livemood"
    done = subprocess.run(
        [sys.executable, "-m", "livemood", *words, *more],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_model_is_trained_measured_and_listened_with(folder, demo_file):
    commands = [line for block in blocks("sh") for line in block.strip().splitlines()]
    install, train, evaluate, folds, listen = commands
    assert install == "pip install '.[train]'"
    run(folder, train, *FEW)
    assert (folder / "runs/mine/model/manifest.json").is_file()
    run(folder, evaluate)
    assert (folder / "runs/figures/report.html").is_file()
    recipe = folder / "mine.toml"
    without = re.sub(r"(?m)^held_out.*\n", "", recipe.read_text("utf-8"))
    recipe.write_text(without, "utf-8")
    run(folder, folds, *FEW)
    assert (folder / "runs/folds/figures.json").is_file()
    heard = run(folder, listen, "--file", str(demo_file), "--speed", "max", "--json", "--no-serve")
    assert '"session.ended"' in heard.splitlines()[-1]
