"""Spectral features of each frame: 25 ms of sound, every 10 ms, at 16 kHz."""

from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.model.features.front_end import FeatureSettings, LogMel

Values = NDArray[np.float64]

RATE: Final = 16_000
FRAME, HOP, FFT = 400, 160, 512
HOP_S: Final = HOP / RATE
MELS, COEFFICIENTS = 40, 13
EDGES: Final = (0, 250, 650, 1000, 2000, 4000, 8000)
"""Hz between the bands of the spectral energy distribution."""
SILENT_DB: Final = -100.0
"""The least level that is told."""


@cache
def _log_mel() -> LogMel:
    return LogMel(FeatureSettings(mels=MELS, low_hz=20.0, high_hz=8000.0))


def framed(sound: Samples) -> Samples:
    """Overlapping frames, a view of shape (frames, 400); at least one, zeros behind short sound."""
    if len(sound) < FRAME:
        sound = np.pad(sound, (0, FRAME - len(sound)))
    return np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]


def decibels(power: Values) -> Values:
    """Power as dB, never below `SILENT_DB`."""
    found: Values = np.maximum(10 * np.log10(np.maximum(power, 1e-20)), SILENT_DB)
    return found


def energy_db(sound: Samples) -> Values:
    """Level of each frame in dBFS, of its root mean square."""
    return decibels(np.mean(framed(sound).astype(np.float64) ** 2, axis=1))


def zero_crossings(sound: Samples) -> Values:
    """Share of samples at which the sign changes, for each frame."""
    signs = np.signbit(framed(sound))
    found: Values = np.mean(signs[:, 1:] != signs[:, :-1], axis=1)
    return found


def log_mel(sound: Samples) -> Values:
    """Natural logarithm of the power in 40 bands on HTK's mel scale, shape (frames, 40)."""
    if len(sound) < FRAME:
        sound = np.pad(sound, (0, FRAME - len(sound)))
    return _log_mel()(sound).astype(np.float64)


def mfcc(log_mel: Values) -> Values:
    """13 cepstral coefficients: the orthonormal DCT-II of log-mel frames (Davis & Mermelstein)."""
    from scipy.fft import dct

    found: Values = dct(log_mel, type=2, norm="ortho", axis=1)[:, :COEFFICIENTS]
    return found


def power_spectrum(sound: Samples) -> Values:
    """Power of each frame under a Hann window, shape (frames, 257)."""
    window = np.hanning(FRAME + 1)[:-1]
    found: Values = np.abs(np.fft.rfft(framed(sound) * window, FFT)) ** 2
    return found


def energy_distribution(spectrum: Values) -> Values:
    """Share of a frame's power in each band between `EDGES`, shape (frames, 6)."""
    hz = np.arange(spectrum.shape[1]) * RATE / FFT
    bands = [(hz >= low) & (hz < high) for low, high in pairwise(EDGES)]
    power = np.stack([spectrum[:, band].sum(axis=1) for band in bands], axis=1)
    shares: Values = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-20)
    return shares


def bandwidth_hz(spectrum: Values) -> float:
    """The highest frequency at which something stands: 70 dB below the loudest band, of 125 Hz."""
    bands = spectrum[:, :256].mean(axis=0).reshape(-1, 4).mean(axis=1)
    level = 10 * np.log10(np.maximum(bands, 1e-20))
    audible = np.flatnonzero(level > level.max() - 70)
    return float((audible[-1] + 1) * 4 * RATE / FFT)
