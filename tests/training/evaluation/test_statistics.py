"""Figures of predictions, by hand where that can be."""

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("safetensors", reason="needs the extra train")

from pathlib import Path

from livemood.model.registry import find_model
from livemood.training.data.clips import Clip
from livemood.training.evaluation.cross_validation import held_out_figures
from livemood.training.evaluation.html_report import html_report
from livemood.training.evaluation.metrics import confusion_matrix, uar
from livemood.training.evaluation.statistics import figures, interval

LABELS = ("calm", "loud", "never")
SAID = [(0, 0.9), (0, 0.6), (1, 0.7), (1, 0.8), (0, 0.5), (1, 0.9)]  # what, and how surely
TRUTH = np.array([0, 0, 0, 1, 1, 1])


@pytest.fixture
def probabilities():
    rows = np.full((6, 3), 0.0)
    for row, (label, sure) in zip(rows, SAID, strict=True):
        row[:] = (1 - sure) / 2
        row[label] = sure
    return rows


@pytest.fixture
def clips():
    genders = ["female", "female", "male", "male", "female", "male"]
    return [
        Clip(Path(f"{n}.wav"), "c", f"s{n % 3}", LABELS[t], gender=g, language="en")
        for n, (t, g) in enumerate(zip(TRUTH, genders, strict=True))
    ]


def test_figures_are_what_one_counts_by_hand(probabilities, clips):
    found = figures(TRUTH, probabilities, clips, LABELS)
    overall = found["overall"]
    assert found["confusion"] == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert overall["uar"] == overall["accuracy"] == 66.67
    assert overall["macro_f1"] == overall["weighted_f1"] == 66.67
    assert overall["classes"] == 2
    assert found["by_class"]["calm"] == {
        "precision": 66.67,
        "recall": 66.67,
        "f1": 66.67,
        "examples": 3,
    }
    assert found["by_class"]["never"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "examples": 0,
    }
    # calm against the rest: of nine pairs of a calm and another clip eight are in order.
    assert found["roc"]["calm"]["auc"] == pytest.approx(100 * 8 / 9, abs=0.01)
    assert set(found["roc"]) == {"calm", "loud"}


def test_every_figure_is_there_by_group_and_groups_add_up(probabilities, clips):
    found = figures(TRUTH, probabilities, clips, LABELS)
    assert set(found["by"]) == {"corpus", "gender", "language"}
    women, men = found["by"]["gender"]["female"], found["by"]["gender"]["male"]
    assert women["clips"] + men["clips"] == 6
    assert np.array_equal(
        np.array(women["confusion"]) + np.array(men["confusion"]), found["confusion"]
    )
    assert set(women) >= set(found["overall"])


def test_intervals_are_of_speakers_not_of_clips():
    """A hundred clips of two speakers, one always right and one never: nothing is known."""
    truth = np.tile([0, 1], 50)
    right = np.eye(2)[truth]
    probabilities = np.concatenate((right[:50], right[50:, ::-1]))
    speakers = np.repeat(["a", "b"], 50)
    found = interval(truth, probabilities, speakers, 1)
    assert found == ([0.0, 100.0], [0.0, 100.0])
    assert interval(truth, probabilities, speakers, 1) == found
    assert interval(truth[:50], probabilities[:50], speakers[:50], 1) == (None, None)
    assert uar(confusion_matrix(truth, probabilities)) == 0.5


def test_the_report_needs_nothing_from_elsewhere(probabilities, clips):
    evaluation = {
        "model": {"name": "<x>", "version": "1", "precision": "int8"},
        "manifest": "m.csv",
        "seed": 1,
        "labels": list(LABELS),
        "conditions": {"clean": figures(TRUTH, probabilities, clips, LABELS)},
    }
    page = html_report(evaluation)
    assert page.count("Plotly.newPlot") >= 4
    assert "&lt;x&gt;" in page
    assert "<x>" not in page
    assert "<script src" not in page
    assert "<link" not in page


def test_figures_of_a_single_held_out_speaker_fit_no_temperature(tmp_path):
    """There is nobody else to measure it on."""
    path = tmp_path / "a.wav"
    sf.write(path, np.random.default_rng(1).normal(0, 0.1, 16000), 16000)
    clips = [Clip(path, "made", "ann", label) for label in ("happy", "sad")]
    found = held_out_figures({"int8": find_model("small")}, clips)["int8"]
    assert found["temperature"] == 1.0
    assert 0 <= found["calibration_error"] == found["calibration_error_untempered"] <= 100
    assert found["corpora"]["made"]["speakers"] == 1
