"""Steps that change the sound of one item. Each takes and gives mono float32, shape (n,)."""

import math
from typing import Final

import numpy as np

from livemood.audio.block import Samples
from livemood.datasets.acoustics.pitch import runs
from livemood.speech.bounds import speech_bounds
from livemood.speech.vad import SAMPLE_RATE, open_detector

MARGIN_S: Final = 0.1
"""Sound that `trim` leaves before and behind the speech."""
HIGHEST_PEAK: Final = 0.99
"""No sample is written beyond this."""
SHORTEST_BLOCK_S: Final = 0.4
"""ITU-R BS.1770 measures blocks of this length; a shorter item is measured in one block."""
CLIPPED: Final = 0.999
"""A flat top stands at this share of the item's peak, or above."""
_FLAT: Final = 3
_BESIDE: Final = 8
_QUIET: Final = 4


def declip(sound: Samples) -> Samples:
    """Replace flat tops by a cubic spline through the eight samples on either side.

    A flat top is three or more samples in a row at the item's peak, of one sign. What was higher
    than the peak can only be guessed. The item is scaled down where the guess is beyond full scale.
    """
    from scipy.interpolate import CubicSpline

    peak = float(np.abs(sound).max(initial=0.0))
    if peak == 0:
        return sound
    out = sound.astype(np.float64)
    guessed = False
    for sign in (1, -1):
        for first, last in runs(sign * sound >= CLIPPED * peak):
            if last - first < _FLAT:
                continue
            beside = np.r_[max(0, first - _BESIDE) : first, last : min(len(sound), last + _BESIDE)]
            if len(beside) < 4 or first == 0 or last == len(sound):
                continue
            guess = CubicSpline(beside, sound[beside])(np.arange(first, last))
            # Never below what was recorded, and no more than twice it.
            guessed = True
            out[first:last] = sign * np.clip(sign * guess, peak, 2 * peak)
    return _within(out) if guessed else sound


def denoise(sound: Samples, rate: int) -> Samples:
    """Take steady noise away by spectral gating (Sainburg et al. 2020, `noisereduce`).

    The noise is learnt from the quietest quarter of the item, where nobody is likely to speak.
    """
    from noisereduce import reduce_noise

    length = rate // 50
    frames = sound[: len(sound) // length * length].reshape(-1, length)
    if len(frames) < 4 * _QUIET:
        return sound
    order = np.argsort(np.mean(np.square(frames), axis=1), kind="stable")
    quiet = frames[np.sort(order[: len(frames) // _QUIET])].reshape(-1)
    reduced = reduce_noise(y=sound, sr=rate, stationary=True, y_noise=quiet)
    return np.asarray(reduced, np.float32)


def trim(sound: Samples, rate: int) -> Samples:
    """Cut what stands before and behind the speech; an item without speech stays whole.

    `rate` must be 16 kHz: livemood's own speech gate finds the speech.
    """
    if rate != SAMPLE_RATE:
        raise ValueError(f"speech is found at {SAMPLE_RATE} Hz, not at {rate}")
    span = speech_bounds(sound, open_detector("webrtc"), at_least=1)
    margin = round(MARGIN_S * rate)
    return sound[max(0, span.start - margin) : span.end + margin]


def normalise(sound: Samples, rate: int, lufs: float) -> Samples:
    """Bring an item to a loudness in LUFS (ITU-R BS.1770-4, `pyloudnorm`), or as near as its peak
    allows. Silence stays as it is.
    """  # noqa: D205 - one sentence
    from pyloudnorm import Meter

    block = min(SHORTEST_BLOCK_S, len(sound) / rate)
    if block < 0.01:
        return sound
    loudness = Meter(rate, block_size=block).integrated_loudness(sound.astype(np.float64))
    if not math.isfinite(loudness):
        return sound
    return _within(sound * 10 ** ((lufs - loudness) / 20))


def _within(sound: np.ndarray) -> Samples:
    peak = float(np.abs(sound).max(initial=0.0))
    scaled = sound * (HIGHEST_PEAK / peak) if peak > HIGHEST_PEAK else sound
    return scaled.astype(np.float32)
