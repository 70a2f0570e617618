"""A search on a real Ray cluster of this machine, by real training runs on real speech."""

import json

import pytest

pytest.importorskip("optuna", reason="needs the extra train")
pytest.importorskip("ray", reason="needs the extra ray")

from livemood.errors import LivemoodError, UsageError
from livemood.toolkit.search import search
from livemood.training.run_folder import Workspace

SPACE = {"fit.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
TRIALS = 4


@pytest.fixture
def few(corpora, tmp_path):
    """Every fortieth clip of RAVDESS, as a corpus of its own."""
    there = tmp_path / "corpora" / "ravdess"
    there.mkdir(parents=True)
    (there / "audio").symlink_to(corpora / "ravdess" / "audio")
    head, *rows = (corpora / "ravdess" / "metadata.csv").read_text("utf-8").splitlines()
    (there / "metadata.csv").write_text("\n".join([head, *rows[::40]]) + "\n", "utf-8")
    return there.parent


@pytest.fixture
def recipe(tmp_path):
    made = {
        "name": "tiny",
        "seed": 5,
        "labels": ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"],
        "label_map": {"calm": "neutral"},
        "corpora": [{"name": "ravdess"}],
        "network": {"channels": 4, "hidden": 8, "recurrent": 4},
        "augment": {"speeds": [1.0]},
        "fit": {"epochs": 1, "validation_share": 0.3},
        "search": {"sampler": "random", "trials": TRIALS, "space": SPACE},
    }
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(made))
    return path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_machines_of_a_cluster_search_together(recipe, few, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    workspace, out = Workspace(few, tmp_path / "cache", None, "cpu"), tmp_path / "out"
    told = search(recipe, workspace, out, 1, 2, str(tmp_path / "study.journal"), "local")
    found = json.loads((out / "search.json").read_text())
    complete = found["trials"]["complete"]
    assert TRIALS <= complete <= TRIALS + 1  # both processes may be at their last one
    assert found["trials"]["running"] == found["trials"]["fail"] == 0
    assert len({row["params"]["fit.learning_rate"] for row in found["all"]}) == complete
    assert "best.json" in told


def test_a_cluster_that_is_none_or_shares_no_study_is_refused(recipe, tmp_path):
    workspace, out = Workspace(tmp_path, tmp_path / "cache", None, "cpu"), tmp_path / "out"
    with pytest.raises(UsageError, match="--ray needs --storage"):
        search(recipe, workspace, out, 1, 1, None, "local")
    with pytest.raises(LivemoodError, match="no Ray cluster answers"):
        search(recipe, workspace, out, 1, 1, str(tmp_path / "study"), "127.0.0.1:1")
