"""What is known of each item before anybody listens to how it sounds."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile as sf

from livemood.audio.block import Samples
from livemood.datasets.acoustics import frames, functionals
from livemood.datasets.item import Item

CLIPPED = 0.999
"""Samples beyond this stand at the limit."""


@dataclass(frozen=True)
class Facts:
    """One item, measured."""

    item: Item
    digest: str
    """SHA-256 of its sound."""
    level_db: float
    peak_db: float
    noise_db: float
    """Level of the quietest twentieth of its frames."""
    duration_s: float
    lead_s: float
    tail_s: float
    pause_share: float
    bandwidth_hz: float
    container: str
    """Format, coding, rate and channels of its file."""
    clipped: float
    """Share of samples at the limit."""
    features: dict[str, float]
    """How it sounds: functionals of frames, with no absolute level."""


def measure(items: Sequence[Item], done: Callable[[int], None] | None = None) -> list[Facts]:
    """The facts of each item. Raises `UsageError` for a file that cannot be decoded."""
    found = []
    for number, item in enumerate(items, start=1):
        found.append(_of(item, functionals.sound_of(item)))
        if done:
            done(number)
    return found


def _of(item: Item, sound: Samples) -> Facts:
    level = frames.energy_db(sound)
    rhythm = functionals.rhythm(sound)
    features = functionals.whole(sound, ("mfcc", "spectrum", "zcr", "f0"))
    features = {k: v for k, v in features.items() if k != "mfcc_0_mean"}  # that is the level
    features |= {k: rhythm[k] for k in ("syllables_per_s", "pauses_per_s", "pause_share")}
    info = sf.info(str(item.path))
    peak = float(np.abs(sound).max(initial=0.0))
    power = np.array([np.mean(np.square(sound, dtype=np.float64)) if len(sound) else 0.0, peak**2])
    level_db, peak_db = frames.decibels(power).tolist()
    return Facts(
        item,
        hashlib.sha256(np.round(sound * 32767).astype("<i2").tobytes()).hexdigest(),
        level_db,
        peak_db,
        float(np.quantile(level, 0.05)),
        rhythm["duration_s"],
        rhythm["lead_s"],
        rhythm["tail_s"],
        rhythm["pause_share"],
        frames.bandwidth_hz(frames.power_spectrum(sound)),
        f"{info.format} {info.subtype} {info.samplerate} Hz {info.channels}",
        float(np.mean(np.abs(sound) >= CLIPPED)) if len(sound) else 0.0,
        features,
    )
