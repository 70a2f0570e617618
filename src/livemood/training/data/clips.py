"""Labelled recordings: what is known of one, and its sound."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from livemood.audio.block import Samples
from livemood.audio.resample import resample
from livemood.errors import UsageError

UNLABELLED = "(unlabelled)"
"""Label of clips that have none: training uses the predictions of teachers for them."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording, or a stretch of one channel of it."""

    path: Path
    corpus: str
    speaker: str
    label: str
    gender: str = ""
    language: str = ""
    intensity: str = ""
    channel: int = 0
    start: float = 0.0
    """Where it begins in the file, in seconds."""
    end: float | None = None
    """Where it ends; none for the end of the file."""
    valence: float | None = None
    """As it was rated, in [-1, 1]."""
    arousal: float | None = None
    dominance: float | None = None
    weight: float = 1.0
    """How much it counts in training."""
    fold: str = ""
    """Test fold that its corpus publishes, if any."""
    row: str = ""
    """The table and the row that list it."""

    @property
    def identity(self) -> str:
        """Names the clip's sound in a cache: the file as it is now, and the part of it."""
        stat = self.path.stat()
        whole = (str(self.path.resolve()), stat.st_size, stat.st_mtime_ns)
        return hashlib.sha256(
            repr((*whole, self.channel, self.start, self.end)).encode()
        ).hexdigest()[:24]


def read_clip(clip: Clip | Path, sample_rate: int, speed: float = 1.0) -> Samples:
    """The clip's sound at `sample_rate`, shape (n,), played `speed` times as fast.

    A path is the first channel of the whole file. Raises `UsageError` if it cannot be decoded.
    """
    if isinstance(clip, Path):
        clip = Clip(clip, "", "", "")
    try:
        with sf.SoundFile(str(clip.path)) as file:
            rate = file.samplerate
            file.seek(round(clip.start * rate))
            count = -1 if clip.end is None else round(clip.end * rate) - file.tell()
            sound = file.read(count, dtype="float32", always_2d=True)
        mono: Samples = np.ascontiguousarray(sound[:, clip.channel])
    except (sf.LibsndfileError, OSError, IndexError) as error:
        where = f"{clip.row}: " if clip.row else ""
        raise UsageError(f"{where}{clip.path} cannot be decoded: {error}") from None
    return resample(mono, rate * speed, sample_rate)
