"""Triangular bands on a mel scale."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["htk", "slaney"]
"""Of HTK's book (Young et al. 2006), or of Slaney's Auditory Toolbox (1998), as librosa has it."""

Float64 = NDArray[np.float64]

_BREAK_HZ, _HZ_PER_MEL, _LOG_STEP = 1000.0, 200.0 / 3.0, np.log(6.4) / 27.0
"""Slaney's scale: even in Hz up to the break, then 27 mels to a factor of 6.4."""


def mel_filters(
    mels: int, fft_length: int, sample_rate: int, low_hz: float, high_hz: float, scale: Scale
) -> NDArray[np.float32]:
    """Weights of FFT bins in bands, shape (fft_length // 2 + 1, mels).

    The bands of `htk` are of unit height; those of `slaney` are of the same area, 2 divided by
    their width in Hz. Raises `ValueError` if a band is so narrow that no bin falls into it.
    """
    edges = _edges(mels, low_hz, high_hz, scale)
    hz = np.arange(fft_length // 2 + 1) * (sample_rate / fft_length)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (hz[:, None] - low) / (centre - low)
    falling = (high - hz[:, None]) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    if scale == "slaney":
        triangles *= 2.0 / (high - low)
    if not triangles.any(axis=0).all():
        raise ValueError(
            f"{mels} mel bands are too many for an FFT of {fft_length}: a band has no bin"
        )
    return triangles.astype(np.float32)


def band_centres(mels: int, low_hz: float, high_hz: float, scale: Scale) -> Float64:
    """Where the bands are highest, in Hz, shape (mels,)."""
    return _edges(mels, low_hz, high_hz, scale)[1:-1]


def _edges(mels: int, low_hz: float, high_hz: float, scale: Scale) -> Float64:
    """The mels + 2 edges of the bands in Hz, evenly spaced on the scale."""
    if scale == "htk":
        low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (low_hz, high_hz))
        htk: Float64 = 700.0 * (10.0 ** (np.linspace(low, high, mels + 2) / 2595.0) - 1.0)
        return htk
    even = np.linspace(_slaney(low_hz), _slaney(high_hz), mels + 2)
    break_mel = _BREAK_HZ / _HZ_PER_MEL
    above = _BREAK_HZ * np.exp(_LOG_STEP * (even - break_mel))
    out: Float64 = np.where(even < break_mel, even * _HZ_PER_MEL, above)
    return out


def _slaney(hz: float) -> float:
    """`hz` on Slaney's mel scale."""
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return float(_BREAK_HZ / _HZ_PER_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)
