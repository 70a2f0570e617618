"""The speech in a clip: what is before its first voice and after its last is left out."""

import numpy as np

from livemood.audio.block import Samples
from livemood.speech.bounds import speech_bounds
from livemood.speech.vad import SAMPLE_RATE, WebRtcVad
from livemood.training.data.clips import Clip, read_clip


def trimmed(sound: Samples, shortest_s: float = 0.0, longest_s: float = np.inf) -> Samples:
    """The speech in 16 kHz `sound`, shape (n,), as the live gate finds it.

    Filled up with silence to `shortest_s`, and cut to `longest_s` from its beginning.
    """
    span = speech_bounds(sound, WebRtcVad())
    length = min(span.end - span.start, round(min(longest_s, 1e6) * SAMPLE_RATE))
    out = sound[span.start : span.start + length]
    missing = round(shortest_s * SAMPLE_RATE) - len(out)
    return np.pad(out, (0, missing)) if missing > 0 else out


def speech_of(clip: Clip) -> Samples:
    """The speech of a clip, 16 kHz, shape (n,)."""
    return trimmed(read_clip(clip, SAMPLE_RATE))
