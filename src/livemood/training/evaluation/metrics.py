"""Figures of merit, from true labels and predicted probabilities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livemood.training.data.predictions import Probs, Truth


def confusion_matrix(truth: Truth, probabilities: Probs) -> NDArray[np.intp]:
    """Counts, shape (labels, labels): rows are true labels, columns predicted ones."""
    labels = probabilities.shape[1]
    out = np.zeros((labels, labels), np.intp)
    np.add.at(out, (truth, probabilities.argmax(axis=1)), 1)
    return out


def accuracy(confusion: NDArray[np.intp]) -> float:
    """Share of clips whose likeliest label is the true one."""
    return float(np.trace(confusion) / confusion.sum())


def uar(confusion: NDArray[np.intp]) -> float:
    """Unweighted average recall: the mean of recalls over the labels that occur."""
    counts = confusion.sum(axis=1)
    return float((np.diag(confusion)[counts > 0] / counts[counts > 0]).mean())


def ccc(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Lin's concordance correlation coefficient (1989) of two series, with n in the variances.

    NaN for fewer than two values, or where both are constant and the same.
    """
    spread = first.var() + second.var() + (first.mean() - second.mean()) ** 2
    if len(first) < 2 or not spread:
        return float("nan")
    together = np.mean((first - first.mean()) * (second - second.mean()))
    return float(2 * together / spread)


def calibration_error(truth: Truth, probabilities: Probs, bins: int = 15) -> float:
    """Expected calibration error with bins of equal width (Guo et al. 2017), in [0, 1]."""
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            error += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    return float(error)


def uar_among_its_labels(truth: Truth, probabilities: Probs) -> float:
    """UAR where only labels that occur are compared: no other can be right."""
    present = np.unique(truth)
    own = np.searchsorted(present, truth)
    return uar(confusion_matrix(own, probabilities[:, present]))


def tempered(probabilities: Probs, temperature: float) -> Probs:
    """The probabilities that logits divided by `temperature` would have given."""
    powered = np.exp(np.log(np.maximum(probabilities, 1e-12)) / temperature)
    out: Probs = powered / powered.sum(axis=1, keepdims=True)
    return out


def fit_temperature(truth: Truth, probabilities: Probs) -> float:
    """The temperature in [0.25, 4] with the smallest negative log likelihood, to 1 percent."""
    grid = np.exp(np.arange(np.log(0.25), np.log(4.0), 0.01))
    rows = np.arange(len(truth))
    losses = [-np.log(tempered(probabilities, t)[rows, truth]).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def markdown_confusion(confusion: NDArray[np.intp], labels: Sequence[str]) -> str:
    """The confusion matrix as a Markdown table: rows true, columns predicted, then recall."""
    head = "| true \\ predicted | " + " | ".join(labels) + " | recall % |"
    lines = [head, "| --- |" + " ---: |" * (len(labels) + 1)]
    for label, row in zip(labels, confusion, strict=True):
        recall = f"{100 * row[labels.index(label)] / row.sum():.1f}" if row.sum() else "–"
        lines.append(f"| {label} | " + " | ".join(map(str, row)) + f" | {recall} |")
    return "\n".join(lines)
