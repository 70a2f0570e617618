"""A voice's baseline: how it usually sounds, so that readings can be related to it.

Some voices are always bright, some always low. The baseline is a running mean of what the network
pooled of one voice's windows so far, in deviations from the mean over training speakers. A share
of it is subtracted from each window's statistics before they are read. The share grows with what
is known, so that a voice never heard before reads as it would without.
"""

import numpy as np
from numpy.typing import NDArray

from livemood.model.manifest import BaselineSettings
from livemood.model.pooling import Speakers

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class VoiceBaseline:
    """The running mean of one voice. Pure: pushed statistics, asked for what to subtract.

    What sounds neutral counts most. A subject that is angry from the first second would otherwise
    make anger its own measure; it still does so slowly, and within bounds.
    """

    __slots__ = ("_anchor", "_settings", "_shift", "_speakers", "mean", "seconds")

    def __init__(
        self,
        settings: BaselineSettings,
        speakers: Speakers,
        mean: Float64 | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._settings, self._speakers = settings, speakers
        self.mean: Float64 = np.zeros(len(speakers.mean)) if mean is None else mean.copy()
        """In deviations from the mean over training speakers, shape (values,)."""
        self.seconds = seconds
        """Seconds of speech that it rests on, less where that did not sound neutral."""
        self._anchor = self.mean.copy()
        self._shift: Float32 | None = None

    def shift(self) -> Float32 | None:
        """What to subtract from a window's statistics, shape (values,); None for nothing."""
        if self._shift is None and self.seconds > 0:
            share = self.seconds / (self.seconds + self._settings.shrink_s)
            self._shift = (share * self.mean * self._speakers.deviation).astype(np.float32)
        return self._shift

    def push(
        self, statistics: Float32, seconds: float, neutral: float, not_speech: float = 0.0
    ) -> None:
        """Take the statistics of a window, shape (values,), that brought `seconds` of new sound.

        `neutral` is the probability that it sounded neutral, `not_speech` that it was no speech.
        """
        s = self._settings
        weight = seconds * (s.least_weight + (1 - s.least_weight) * neutral) * (1 - not_speech)
        if weight <= 0:
            return
        off = (statistics - self._speakers.mean) / self._speakers.deviation
        np.clip(off, -s.most, s.most, out=off)
        total = self.seconds + weight
        self.mean += (off - self.mean) * (weight / total)
        np.clip(self.mean, self._anchor - s.most_moved, self._anchor + s.most_moved, out=self.mean)
        self.seconds = min(total, s.longest_s)
        self._shift = None
