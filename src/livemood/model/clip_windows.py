"""The windows in which a clip is read, and what is said of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from livemood.audio.block import Samples
from livemood.audio.convert import to_clip
from livemood.audio.dc import without_offset
from livemood.audio.resample import resample
from livemood.errors import UsageError
from livemood.model.features import Frames, FrontEnd
from livemood.model.manifest import Manifest
from livemood.speech.bounds import find_speech
from livemood.speech.vad import open_detector


@dataclass(frozen=True, slots=True)
class Prediction:
    """How one clip sounds."""

    label: str
    """The likeliest label; `uncertain` if the model says that this is no speech."""
    probabilities: dict[str, float]
    """Calibrated probability of each label; they sum to 1."""
    valence: float
    """Unpleasant to pleasant, in [-1, 1]."""
    arousal: float
    """Calm to excited, in [-1, 1]."""
    not_speech: float | None = None
    """Probability that it is laughter, music, a bark; None if the model cannot tell."""
    dominance: float | None = None
    """Submissive to dominant, in [-1, 1]; None if the model did not learn it."""


def checked_clip(samples: ArrayLike, sample_rate: int) -> Samples:
    """Mono sound as float32. Raises `UsageError` for anything else."""
    if not 1000 <= sample_rate <= 1_000_000:
        raise UsageError(f"the sample rate must be from 1000 to 1000000, not {sample_rate}")
    return to_clip(samples)


def clip_windows(
    sound: Samples, sample_rate: int, manifest: Manifest, front_end: FrontEnd
) -> tuple[list[Frames], float]:
    """The windows of features, all of one length, and how many seconds of the clip are speech.

    Sound before the first and after the last speech is left out. A clip shorter than the model's
    shortest window is filled up with silence.
    """
    features, window = manifest.features, manifest.window
    rate = features.sample_rate
    sound = resample(without_offset(sound, sample_rate), sample_rate, rate)
    shortest, longest = round(window.shortest_s * rate), round(window.longest_s * rate)
    span, voiced = find_speech(sound, open_detector("webrtc"), shortest)
    sound = sound[span.start : span.end]
    if len(sound) < shortest:
        sound = np.pad(sound, (0, shortest - len(sound)))
    frames = front_end.log_mel(sound)
    length = features.frames_in(longest)
    starts = window_starts(len(frames), length)
    windows = [frames[start : start + length].copy() for start in starts]
    for each in windows:
        front_end.finish(each, None)
    return windows, voiced / rate


def window_starts(frames: int, longest: int) -> list[int]:
    """First frames of windows of at most `longest` frames that cover a clip of `frames`.

    Windows overlap by at least half, evenly; a clip that fits in one window gives one.
    """
    spare = max(0, frames - longest)
    count = 1 + -(-spare // (longest // 2))
    return [int(start) for start in np.linspace(0, spare, count).astype(int)]
