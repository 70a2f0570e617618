"""Resampling with soxr, of streams and of whole clips."""

import inspect
from typing import Any, Final

import numpy as np
import soxr

from livemood.audio.block import Samples
from livemood.audio.double import Doubler

# soxr's fixed-rate engine works in large blocks and holds back up to 37 ms of a 48 kHz stream and
# 115 ms of an 8 kHz one; its variable-rate engine, which soxr 1.0 and later offer, holds back a
# constant 12 and 30 ms. Results are the same to -100 dB.
_LOW_DELAY: Final[dict[str, Any]] = (
    {"vr": True} if "vr" in inspect.signature(soxr.ResampleStream).parameters else {}
)


class StreamResampler:
    """Turns a mono stream of one rate into another, block by block.

    The result does not depend on the sizes of the blocks. soxr does the work, except when the rate
    doubles, as it does for telephone sound.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._doubler = Doubler() if 2 * source_rate == target_rate else None
        self._stream = (
            soxr.ResampleStream(source_rate, target_rate, 1, "float32", **_LOW_DELAY)
            if source_rate != target_rate and self._doubler is None
            else None
        )

    def push(self, samples: Samples) -> Samples:
        """Take the next samples, shape (n,), and return those of the new rate now complete."""
        if self._doubler:
            return self._doubler.push(samples)
        return samples if self._stream is None else self._chunk(samples, last=False)

    def flush(self) -> Samples:
        """End the stream. Returns the samples that it still held."""
        if self._doubler:
            return self._doubler.flush()
        return self._chunk(np.empty(0, np.float32), last=True)

    def _chunk(self, samples: Samples, *, last: bool) -> Samples:
        if self._stream is None:
            return samples
        out: Samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return out


def resample(samples: Samples, source_rate: float, target_rate: float) -> Samples:
    """A whole mono clip, shape (n,), at another rate."""
    if source_rate == target_rate:
        return samples
    out: Samples = soxr.resample(samples, source_rate, target_rate)
    return out
