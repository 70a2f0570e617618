"""Figures of merit where several labels may hold of one text."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Held = NDArray[np.bool_]
Float64 = NDArray[np.float64]

GRID: Final = np.arange(0.05, 0.96, 0.01)
"""Thresholds that are tried."""


def named(probabilities: Float64, thresholds: Float64) -> Held:
    """Labels from their threshold on, (texts, labels); the likeliest one where none reaches it."""
    out: Held = probabilities >= thresholds
    out[np.arange(len(out)), probabilities.argmax(axis=1)] |= ~out.any(axis=1)
    return out


def f1(held: Held, said: Held) -> Float64:
    """F1 of each label, (labels,); 0 where a label is neither held nor said."""
    both = (held & said).sum(axis=0)
    of = held.sum(axis=0) + said.sum(axis=0)
    out: Float64 = np.where(of > 0, 2 * both / np.maximum(of, 1), 0.0)
    return out


def fit_thresholds(held: Held, probabilities: Float64) -> Float64:
    """For each label the threshold with the best F1, the middle one of several: (labels,)."""
    out = np.empty(probabilities.shape[1])
    for label, column in enumerate(probabilities.T):
        scores = [f1(held[:, [label]], (column >= t)[:, np.newaxis])[0] for t in GRID]
        best = np.flatnonzero(np.isclose(scores, max(scores)))
        out[label] = GRID[best[len(best) // 2]]
    return out.round(2)


def soft_temperature(targets: NDArray[np.float32], logits: Float64) -> float:
    """The temperature in [0.25, 4] with the smallest cross entropy with `targets`, to 1 percent."""
    grid = np.exp(np.arange(np.log(0.25), np.log(4.0), 0.01))
    losses = []
    for temperature in grid:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        losses.append(-(targets * logs).sum(axis=1).mean())
    return float(grid[int(np.argmin(losses))])
