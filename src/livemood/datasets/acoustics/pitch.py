"""Jitter and shimmer of the periods of a voice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.datasets.acoustics.frames import HOP, RATE

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Periods:
    """How steady the periods of a voice are."""

    jitter: float
    """Mean difference of successive periods over the mean period; NaN without voice."""
    shimmer: float
    """Mean difference of successive amplitudes over the mean amplitude."""
    number: int


def periods(sound: Samples, f0: Values) -> Periods:
    """Jitter and shimmer (both "local", as Praat names them) of the voiced stretches.

    A period is marked where the sound is most like the one before, between 0.8 and 1.25 times the
    period that `f0` says.
    """
    samples = np.asarray(sound, np.float64)
    steps: list[float] = []
    changes: list[float] = []
    lengths: list[float] = []
    heights: list[float] = []
    for first, last in runs(np.isfinite(f0)):
        if last - first < 4:
            continue
        marks, tops = _marks(samples, f0, first, last)
        lasting = np.diff(marks)
        steps += np.abs(np.diff(lasting)).tolist()
        lengths += lasting.tolist()
        changes += np.abs(np.diff(tops)).tolist()
        heights += list(tops)
    if not steps or not heights:
        return Periods(float("nan"), float("nan"), 0)
    jitter = float(np.mean(steps) / np.mean(lengths))
    shimmer = float(np.mean(changes) / max(float(np.mean(heights)), 1e-12))
    return Periods(jitter, shimmer, len(lengths))


def _marks(samples: Values, f0: Values, first: int, last: int) -> tuple[Values, Values]:
    """Where periods begin, in samples, and how high the sound rises in each."""
    period = RATE / f0[first]
    at = float(first * HOP)
    begin = int(at)
    at += float(np.argmax(np.abs(samples[begin : begin + int(period)]))) if period else 0.0
    marks, tops = [at], []
    while True:
        frame = min(int(at / HOP), last - 1)
        period = RATE / f0[max(first, frame)]
        half = int(period / 2)
        low, high = int(0.8 * period), int(1.25 * period) + 1
        centre = round(at)
        begin, end = centre - half, centre + half
        if begin < 0 or end + high + 1 >= len(samples) or at + period > last * HOP:
            break
        piece = samples[begin:end]
        windows = np.lib.stride_tricks.sliding_window_view(
            samples[begin + low : end + high + 1], len(piece)
        )
        match = windows @ piece / (np.linalg.norm(windows, axis=1) * np.linalg.norm(piece) + 1e-12)
        best = int(np.argmax(match))
        shift = 0.0
        if 0 < best < len(match) - 1:
            left, mid, right = match[best - 1 : best + 2]
            bend = left - 2 * mid + right
            shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        tops.append(float(np.abs(piece).max()))
        # From the mark as it is, not as it was rounded, or rounding would count as jitter.
        at += low + best + shift
        marks.append(at)
    return np.array(marks), np.array(tops)


def runs(there: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of true values, as first and one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
