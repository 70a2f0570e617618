"""Valence and arousal against people's ratings: CCC beside the mean absolute error."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from livemood.training.data.clips import Clip
from livemood.training.data.predictions import Probs
from livemood.training.evaluation.metrics import ccc

FEWEST = 3
"""Rated clips that a figure needs."""
Affect = Callable[[Sequence[float]], tuple[float, float]]
"""From probabilities of labels to valence and arousal."""


def dimensions(clips: Sequence[Clip], probabilities: Probs, affect: Affect) -> dict[str, Any]:
    """CCC and mean absolute error of valence and of arousal, of the clips that were rated.

    Both lie in [-1, 1]. A dimension that fewer than three clips have a rating of is left out.
    """
    read = np.array([affect(row) for row in probabilities.tolist()]).reshape(-1, 2)
    found: dict[str, Any] = {}
    for column, name in enumerate(("valence", "arousal")):
        rated = [n for n, clip in enumerate(clips) if getattr(clip, name) is not None]
        if len(rated) < FEWEST:
            continue
        truth = np.array([getattr(clips[n], name) for n in rated], np.float64)
        own = read[rated, column]
        found[name] = {
            "clips": len(rated),
            "ccc": _rounded(ccc(truth, own)),
            "mae": _rounded(float(np.abs(truth - own).mean())),
        }
    return found


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
