"""Heterogeneous labels: one set of labels in the words of another, through valence and arousal."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from livemood.model.labels import CIRCUMPLEX

Point = tuple[float, float]


def label_shares(
    given: Sequence[str],
    wanted: Sequence[str],
    places: Mapping[str, Point] | None = None,
    width: float = 0.35,
) -> NDArray[np.float32]:
    """What each label of `given` is in those of `wanted`: shares (given, wanted), rows sum to 1.

    A label that is in both is itself. Another one is shared among those near it on the circumplex
    of valence and arousal, by a Gaussian of `width`. `places` adds to, or replaces, those of
    `livemood.model.labels.CIRCUMPLEX`. Raises `ValueError` for a label that has no place.
    """
    known = {**CIRCUMPLEX, **(places or {})}
    if missing := sorted({*given, *wanted} - set(known) - (set(given) & set(wanted))):
        raise ValueError(
            f"the label {missing[0]!r} has no valence and arousal: give them in places"
        )
    out = np.zeros((len(given), len(wanted)), np.float32)
    for row, label in enumerate(given):
        if label in wanted:
            out[row, wanted.index(label)] = 1.0
            continue
        apart = np.array([np.hypot(*np.subtract(known[label], known[w])) for w in wanted])
        near = np.exp(-0.5 * ((apart - apart.min()) / width) * ((apart + apart.min()) / width))
        out[row] = near / near.sum()
    return out
