"""All figures of predictions: overall, by class, by group, with intervals by speaker."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livemood.model import load_model
from livemood.model.labels import DIMENSIONS
from livemood.training.data.clips import Clip
from livemood.training.data.predictions import Probs, Truth
from livemood.training.evaluation.metrics import (
    accuracy,
    calibration_error,
    ccc,
    confusion_matrix,
    uar,
    uar_among_its_labels,
)
from livemood.training.evaluation.predict import predict_clips

GROUPS: Final = ("corpus", "gender", "language", "intensity")
RESAMPLES: Final = 1000
FEWEST: Final = 3
"""Rated clips that a figure of valence or arousal needs."""


def figures(
    truth: Truth, probabilities: Probs, clips: Sequence[Clip], labels: Sequence[str], seed: int = 1
) -> dict[str, Any]:
    """Everything that is reported of predictions, as JSON can hold it, in percent.

    UAR and macro F1 are means over the classes that occur; intervals are 95 % percentiles of
    a bootstrap over speakers, whole speakers drawn with replacement; calibration error has 15 bins.
    `by` has the same for each corpus, gender, language and intensity.
    """
    speakers = np.array([clip.speaker for clip in clips])
    out = {
        "overall": _core(truth, probabilities, speakers, labels, seed),
        "by_class": by_class(truth, probabilities, labels),
        "confusion": confusion_matrix(truth, probabilities).tolist(),
        "roc": _roc(truth, probabilities, labels),
        "reliability": reliability(truth, probabilities),
    }
    by: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        values = np.array([getattr(clip, group) for clip in clips])
        names = [str(name) for name in np.unique(values)]
        if names == [""]:
            continue
        by[group] = {
            name or "not said": {
                **_core(truth[rows], probabilities[rows], speakers[rows], labels, seed),
                "by_class": by_class(truth[rows], probabilities[rows], labels),
                "confusion": confusion_matrix(truth[rows], probabilities[rows]).tolist(),
            }
            for name in names
            for rows in (values == name,)
        }
    return {**out, "by": by}


def measure_model(folder: Path, clips: Sequence[Clip], seed: int) -> dict[str, Any]:
    """The figures of the model in `folder` on these clips."""
    model = load_model(folder, "cpu")
    return figures(*predict_clips(model, clips), clips, model.labels, seed)


def by_class(truth: Truth, probabilities: Probs, labels: Sequence[str]) -> dict[str, Any]:
    """Precision, recall, F1 and the number of examples of each class."""
    from sklearn.metrics import precision_recall_fscore_support

    predicted = probabilities.argmax(axis=1)
    values = precision_recall_fscore_support(
        truth, predicted, labels=range(len(labels)), zero_division=0.0
    )
    return {
        label: {
            "precision": percent(p) if (predicted == i).any() else None,
            "recall": percent(r) if n else None,
            "f1": percent(f) if n else None,
            "examples": int(n),
        }
        for i, (label, p, r, f, n) in enumerate(zip(labels, *values, strict=True))
    }


def reliability(truth: Truth, probabilities: Probs, bins: int = 15) -> list[dict[str, float]]:
    """Bins of confidence: how many clips, how sure on average, how often right."""
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "clips": int(inside.sum()),
            "confidence": percent(confidence[inside].mean()),
            "accuracy": percent(hit[inside].mean()),
        }
        for b in range(bins)
        for inside in (which == b,)
        if inside.any()
    ]


def interval(
    truth: Truth, probabilities: Probs, speakers: NDArray[Any], seed: int
) -> tuple[list[float] | None, list[float] | None]:
    """95 % intervals of UAR and accuracy; none for fewer than two speakers."""
    names = np.unique(speakers)
    if len(names) < 2:
        return None, None
    own = [speakers == name for name in names]
    each = np.stack([confusion_matrix(truth[rows], probabilities[rows]) for rows in own])
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    totals = np.einsum("rs,sij->rij", drawn, each)
    rows = [
        [percent(x) for x in np.percentile([measure(t) for t in totals], (2.5, 97.5))]
        for measure in (uar, accuracy)
    ]
    return rows[0], rows[1]


def percent(share: float) -> float:
    """As a percentage with two decimals."""
    return round(100 * float(share), 2)


def _core(
    truth: Truth,
    probabilities: Probs,
    speakers: NDArray[Any],
    labels: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    from sklearn.metrics import f1_score

    predicted, confusion = probabilities.argmax(axis=1), confusion_matrix(truth, probabilities)
    present = np.unique(truth)
    uar_95, accuracy_95 = interval(truth, probabilities, speakers, seed)
    return {
        "clips": len(truth),
        "speakers": len(np.unique(speakers)),
        "classes": len(present),
        "uar": percent(uar(confusion)),
        "uar_95": uar_95,
        "uar_among_its_classes": percent(uar_among_its_labels(truth, probabilities)),
        "accuracy": percent(accuracy(confusion)),
        "accuracy_95": accuracy_95,
        "weighted_f1": percent(f1_score(truth, predicted, average="weighted")),
        "macro_f1": percent(f1_score(truth, predicted, labels=present, average="macro")),
        "auc": _auc(truth, probabilities, labels),
        "calibration_error": percent(calibration_error(truth, probabilities)),
    }


def _auc(truth: Truth, probabilities: Probs, labels: Sequence[str]) -> float | None:
    """Mean over the classes that occur of the area under the curve of one against the rest."""
    from sklearn.metrics import roc_auc_score

    areas = [
        roc_auc_score(truth == i, probabilities[:, i])
        for i in range(len(labels))
        if 0 < (truth == i).sum() < len(truth)
    ]
    return percent(float(np.mean(areas))) if areas else None


def _roc(truth: Truth, probabilities: Probs, labels: Sequence[str]) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score, roc_curve

    curves = {}
    for i, label in enumerate(labels):
        if not 0 < (truth == i).sum() < len(truth):
            continue
        wrong, right, _ = roc_curve(truth == i, probabilities[:, i])
        thin = np.unique(np.linspace(0, len(wrong) - 1, 120).astype(int))
        curves[label] = {
            "auc": percent(roc_auc_score(truth == i, probabilities[:, i])),
            "false_positive": [round(float(x), 4) for x in wrong[thin]],
            "true_positive": [round(float(x), 4) for x in right[thin]],
        }
    return curves


def dimensions(clips: Sequence[Clip], read: Sequence[Sequence[float]]) -> dict[str, Any]:
    """CCC and mean absolute error of valence, arousal and dominance, of the clips that were rated.

    `read` are what the model says of each clip: the first two, or all three, in [-1, 1]. A
    dimension that fewer than three clips have a rating of is left out.
    """
    values = np.array(read, np.float64)
    found: dict[str, Any] = {}
    for column, name in enumerate(DIMENSIONS[: values.shape[1]]):
        rated = [n for n, clip in enumerate(clips) if getattr(clip, name) is not None]
        if len(rated) < FEWEST:
            continue
        truth = np.array([getattr(clips[n], name) for n in rated], np.float64)
        own = values[rated, column]
        found[name] = {
            "clips": len(rated),
            "ccc": _rounded(ccc(truth, own)),
            "mae": _rounded(float(np.abs(truth - own).mean())),
        }
    return found


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
