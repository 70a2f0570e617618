"""Fundamental frequency, by YIN (de Cheveigné & Kawahara 2002); jitter and shimmer of periods."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.datasets.acoustics.frames import HOP, RATE

Values = NDArray[np.float64]

LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
WINDOW: Final = 400
"""Samples under which a period is sought."""
THRESHOLD: Final = 0.3
"""A dip of the normalised difference below this is a period."""
QUIET_DB: Final = 35.0
"""Frames so far below the loudest are not voiced."""


def f0(sound: Samples) -> Values:
    """Hz every 10 ms, NaN where there is no voice. Shape (frames,)."""
    longest, shortest = int(RATE / LOWEST_HZ), int(RATE / HIGHEST_HZ)
    span = WINDOW + longest
    padded = np.pad(np.asarray(sound, np.float64), (span // 2, span))
    windows = np.lib.stride_tricks.sliding_window_view(padded, span)[: max(1, len(sound)) : HOP]
    found = np.full(len(windows), np.nan)
    power = np.mean(windows**2, axis=1)
    loud = np.flatnonzero(power > max(power.max() * 10 ** (-QUIET_DB / 10), 1e-9))
    for start in range(0, len(loud), 256):
        rows = loud[start : start + 256]
        found[rows] = _of_windows(windows[rows], shortest, longest)
    return found


def _of_windows(windows: Values, shortest: int, longest: int) -> Values:
    size = 1 << (windows.shape[1] + WINDOW - 1).bit_length()
    whole = np.fft.rfft(windows, size)
    head = np.fft.rfft(windows[:, :WINDOW], size)
    product = np.fft.irfft(np.conj(head) * whole, size)[:, : longest + 1]
    squares = np.cumsum(np.pad(windows**2, ((0, 0), (1, 0))), axis=1)
    energy = squares[:, WINDOW : WINDOW + longest + 1] - squares[:, : longest + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * product, 0.0)
    lags = np.arange(1, longest + 1)
    mean = np.cumsum(difference[:, 1:], axis=1) / lags
    normal = np.ones_like(difference)
    normal[:, 1:] = difference[:, 1:] / np.maximum(mean, 1e-12)
    found = np.full(len(windows), np.nan)
    for row, curve in enumerate(normal):
        below = np.flatnonzero(curve[shortest:longest] < THRESHOLD)
        if not len(below):
            continue
        lag = shortest + int(below[0])
        while lag + 1 < longest and curve[lag + 1] < curve[lag]:
            lag += 1
        left, mid, right = curve[lag - 1], curve[lag], curve[lag + 1]
        bend = left - 2 * mid + right
        found[row] = RATE / (lag + (0.5 * (left - right) / bend if bend > 0 else 0.0))
    return found


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
