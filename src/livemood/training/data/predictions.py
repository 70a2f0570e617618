"""Predictions of a model on clips, as arrays and as a CSV table."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livemood.errors import UsageError
from livemood.training.data.clips import Clip

Truth = NDArray[np.intp]
"""Index of the true label of each clip, shape (clips,)."""
Probs = NDArray[np.float64]
"""Probability of each label, shape (clips, labels)."""
DECIMALS = 6
"""Of probabilities in a table: with four, two labels were as likely now and then."""


def write_predictions(
    path: Path,
    labels: Sequence[str],
    conditions: Iterable[tuple[str, Iterable[tuple[Clip, Probs]]]],
) -> None:
    """Write a row for each clip under each condition, as `read_soft_labels` reads it.

    The file is whole, or not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["condition", "path", "speaker", "label", "predicted", *labels])
        for condition, rows in conditions:
            for clip, probabilities in rows:
                best = labels[int(probabilities.argmax())]
                where = str(clip.path.resolve())
                named = [condition, where, clip.speaker, clip.label, best]
                writer.writerow([*named, *probabilities.round(DECIMALS)])
    partial.replace(path)


def write_soft_labels(
    path: Path, labels: Sequence[str], rows: Iterable[tuple[Clip, Probs]]
) -> None:
    """Write the predictions on unaugmented clips as soft labels."""
    write_predictions(path, labels, [("clean", rows)])


def read_soft_labels(path: Path, clips: Sequence[Clip], labels: Sequence[str]) -> Probs:
    """Predictions for clips from a table, (clips, labels); zero where it has none.

    Raises `UsageError` if it has other labels, or says nothing of any clip.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        found = {
            Path(row["path"]).resolve(): [float(row[label]) for label in labels] for row in rows
        }
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{path} does not hold predictions of these labels: {error}") from None
    nothing = [0.0] * len(labels)
    out = np.array([found.get(clip.path.resolve(), nothing) for clip in clips])
    if not out.any():
        raise UsageError(f"{path} says nothing of the clips that are trained on")
    return out
