"""Samples that are no numbers, before they reach the engine."""

import numpy as np

from livemood.audio import AudioBlock
from livemood.server.sessions.pace import Rate


class NumbersOnly:
    """Makes one gap of all that is no number in a block, and bounds how many there may be.

    Every run of values that are no numbers becomes a `gap` event. A block in which every other
    value is none would otherwise bring thousands of them.
    """

    PER_S, BURST = 4.0, 40.0
    """Gaps a channel."""

    def __init__(self, channels: int) -> None:
        self._rate = Rate(self.PER_S * channels, self.BURST * channels)

    def take(self, block: AudioBlock, now: float) -> AudioBlock | None:
        """The block to push; none if there were too many such blocks."""
        finite = np.isfinite(block.samples).all(axis=1)
        if finite.all():
            return block
        if not self._rate.take(now, block.samples.shape[1]):
            return None
        bad = np.flatnonzero(~finite)
        samples = block.samples.copy()
        samples[bad[0] : bad[-1] + 1] = np.nan
        return block._replace(samples=samples)
