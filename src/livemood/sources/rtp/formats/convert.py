"""A sender's other format, as the one that its stream began with."""

from typing import Final

import numpy as np

from livemood.audio import Downmix, Samples, resample
from livemood.sources.rtp.formats.codec import Decode
from livemood.sources.rtp.formats.payload import RtpFormat


class Converter:
    """Decodes one format and gives the sound of each packet at another rate, just as long.

    A few milliseconds of what came before are kept, so that packets join without a seam; by
    `DELAY_S` sound comes later.
    """

    HISTORY_S: Final = 0.02
    DELAY_S: Final = 0.005

    def __init__(self, source: RtpFormat, target: RtpFormat) -> None:
        """Raises `UsageError` if there is no decoder for `source`."""
        self._decode: Decode = source.new_decoder()
        self._source, self._target = source, target
        self._history = np.zeros((round(self.HISTORY_S * source.rate), target.channels), np.float32)
        self._taken = self._given = 0
        self._downmix = Downmix(source.rate)

    @property
    def cancels(self) -> bool:
        """Whether channels that are mixed cancel each other now."""
        return self._downmix.cancels or bool(getattr(self._decode, "cancels", False))

    def __call__(self, payload: bytes) -> Samples:
        """A payload's sound, shape (frames, channels of the target). Raises `Undecodable`."""
        return self.push(self._decode(payload))

    def push(self, samples: Samples) -> Samples:
        """The same of sound that is decoded already, shape (frames, channels of the source)."""
        if self._target.channels == 1:
            samples = self._downmix.push(samples)
        elif samples.shape[1] != self._target.channels:
            samples = np.repeat(samples[:, :1], self._target.channels, axis=1)
        if self._source.rate == self._target.rate:
            return samples
        rate, target = self._source.rate, self._target.rate
        joined = np.concatenate([self._history, samples])
        self._history = joined[len(joined) - len(self._history) :]
        self._taken += len(samples)
        count = self._taken * target // rate - self._given
        self._given += count
        whole = np.stack(
            [resample(c, rate, target) for c in np.ascontiguousarray(joined.T)], axis=1
        )
        last = len(whole) - round(self.DELAY_S * target)
        out: Samples = np.ascontiguousarray(whole[last - count : last])
        return out
