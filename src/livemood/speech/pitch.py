"""Fundamental frequency of a voice, by YIN (de Cheveigné & Kawahara 2002)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples

Values = NDArray[np.float64]

LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
WINDOW_S: Final = 0.025
"""Sound under which a period is sought."""
THRESHOLD: Final = 0.3
"""A dip of the normalised difference below this is a period."""
QUIET_DB: Final = 35.0
"""Frames so far below the loudest are not voiced."""
_ROWS: Final = 256


def f0(sound: Samples, rate: int = 16_000, hop: int = 160) -> Values:
    """Hz at the middle of a window every `hop` samples, NaN where there is no voice.

    `sound` has shape (n,), `rate` is in Hz. Shape (frames,). Zeros stand before and behind it.
    """
    span = span_of(rate)
    padded = np.pad(np.asarray(sound, np.float64), (span // 2, span))
    windows = np.lib.stride_tricks.sliding_window_view(padded, span)[: max(1, len(sound)) : hop]
    return f0_of_windows(windows, rate)


def span_of(rate: int) -> int:
    """Samples that a period is found in: a window and the longest period behind it."""
    return round(WINDOW_S * rate) + int(rate / LOWEST_HZ)


def f0_of_windows(windows: Values, rate: int) -> Values:
    """Hz of each window of shape (frames, `span_of(rate)`), NaN where there is no voice."""
    found = np.full(len(windows), np.nan)
    if not len(windows):
        return found
    power = np.add.reduce(np.square(windows), axis=1) / windows.shape[1]
    loud = np.flatnonzero(power > max(power.max() * 10 ** (-QUIET_DB / 10), 1e-9))
    for start in range(0, len(loud), _ROWS):
        rows = loud[start : start + _ROWS]
        found[rows] = _periods(windows[rows], rate)
    return found


def _periods(windows: Values, rate: int) -> Values:
    longest, shortest = int(rate / LOWEST_HZ), int(rate / HIGHEST_HZ)
    window = windows.shape[1] - longest
    # What wraps around falls on lags beyond the longest.
    size = 1 << (windows.shape[1] - 1).bit_length()
    whole = np.fft.rfft(windows, size)
    head = np.fft.rfft(windows[:, :window], size)
    product = np.fft.irfft(np.conj(head) * whole, size)[:, : longest + 1]
    squares = np.zeros((len(windows), windows.shape[1] + 1))
    np.cumsum(np.square(windows), axis=1, out=squares[:, 1:])
    energy = squares[:, window : window + longest + 1] - squares[:, : longest + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * product, 0.0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest + 1)
    normal = np.ones_like(difference)
    np.divide(difference[:, 1:], np.maximum(mean, 1e-12), out=normal[:, 1:])
    # The first dip below the threshold, down to its bottom.
    within = normal[:, shortest:longest]
    below = within < THRESHOLD
    rises = normal[:, shortest + 1 : longest + 1] >= within
    rises[:, -1] = True
    first = below.argmax(axis=1)[:, np.newaxis]
    bottom = rises & (np.arange(longest - shortest) >= first)
    lag = shortest + bottom.argmax(axis=1)
    rows = np.arange(len(normal))
    left, mid, right = (normal[rows, lag + off] for off in (-1, 0, 1))
    bend = left - 2 * mid + right
    bent = bend > 0
    between = np.where(bent, 0.5 * (left - right) / np.where(bent, bend, 1.0), 0.0)
    # The longest period may lie on a slope, whose parabola has its bottom anywhere.
    np.clip(between, -0.5, 0.5, out=between)
    found: Values = np.where(below.any(axis=1), rate / (lag + between), np.nan)
    return found
