"""Where in the sound cues belong: subtitles come early or late, and stand longer than speech."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.datasets.weak.cues import Cue
from livemood.speech.vad import SAMPLE_RATE, WebRtcVad

FRAME_S: Final = WebRtcVad.frame_length / SAMPLE_RATE
MOST_S: Final = 30.0
"""Subtitles are looked for this far before and after the time that they say."""
LEAST_GAIN: Final = 0.05
"""A shift counts if its correlation is greater by this than that of none."""
MARGIN_S: Final = 0.25
"""Speech may begin so long before its cue, and end so long after it."""
EDGE_S: Final = 0.05
"""What is left before and after speech."""
LEAST_VOICE_S: Final = 0.2
"""A cue with less voice in it has no speech."""
Mask = NDArray[np.bool_]


def voice_mask(sound: Samples) -> Mask:
    """Which frames of 20 ms of 16 kHz sound, shape (n,), hold a voice."""
    return np.array(WebRtcVad().probabilities(sound)) >= 0.5


def common_shift(voice: Mask, cues: Sequence[Cue]) -> float:
    """Seconds by which all cues come too early: where they agree best with the voice.

    Negative if they come too late; 0 if no shift of up to `MOST_S` agrees clearly better than none.
    """
    said = np.zeros(len(voice), bool)
    for cue in cues:
        said[_frame(cue.start) : len(said) if cue.end is None else _frame(cue.end)] = True
    most = min(_frame(MOST_S), len(voice) // 2)
    tried = np.arange(-most, most + 1)
    agreement = np.array([_correlation(voice, said, int(shift)) for shift in tried])
    best = int(agreement.argmax())
    if agreement[best] < agreement[most] + LEAST_GAIN:
        return 0.0
    return float(tried[best] * FRAME_S)


def _correlation(voice: Mask, said: Mask, shift: int) -> float:
    """Pearson's correlation of the voice with cues that are moved to later by `shift` frames.

    Nothing is said in what is moved in; cues that are moved out of the recording count against it.
    """
    moved = np.zeros_like(said)
    if shift >= 0:
        moved[shift:] = said[: len(said) - shift]
    else:
        moved[:shift] = said[-shift:]
    n, a, b = len(voice), int(voice.sum()), int(said.sum())
    spread = a * (n - a) * b * (n - b)
    both = int(np.count_nonzero(voice & moved))
    return float((n * both - a * b) / np.sqrt(float(spread))) if spread else 0.0


def speech_in(
    voice: Mask, start: float, end: float, earliest: float, latest: float
) -> tuple[float, float] | None:
    """From the first voice to the last of a cue from `start` to `end`, in seconds.

    It reaches up to `MARGIN_S` beyond the cue, but not before `earliest` or after `latest`, where
    other cues are. None if there is hardly any voice.
    """
    first = _frame(max(start - MARGIN_S, earliest, 0.0))
    last = min(_frame(min(end + MARGIN_S, latest)), len(voice))
    there = np.flatnonzero(voice[first:last])
    if len(there) * FRAME_S < LEAST_VOICE_S:
        return None
    begin, stop = (first + there[0]) * FRAME_S, (first + there[-1] + 1) * FRAME_S
    whole = len(voice) * FRAME_S
    return max(0.0, float(begin) - EDGE_S), min(whole, float(stop) + EDGE_S)


def _frame(seconds: float) -> int:
    return round(seconds / FRAME_S)
