"""Taking a constant offset out of a stream, as it comes."""

from typing import Final

import numpy as np

from livemood.audio.block import Samples

BLOCK_S: Final = 0.01
"""Sound whose mean is one measurement of the offset."""
_MEMORY: Final = 100


class DcBlocker:
    """Subtracts the running mean of a mono stream, block by block of 10 ms.

    The mean forgets within a second, and starts as that of all blocks so far. Each block is freed
    of the mean of those before it, so nothing is held back; only the first one waits until it is
    whole. What comes out does not depend on the sizes of the blocks that went in.
    """

    def __init__(self, rate: float) -> None:
        self._block = max(1, round(rate * BLOCK_S))
        self._count = 0
        self._mean = 0.0
        self._pending = np.empty(0, np.float32)

    def push(self, samples: Samples) -> Samples:
        """Take the next samples, shape (n,), and return them, or the first ones later."""
        held = len(self._pending)
        sound = np.concatenate((self._pending, samples)) if held else samples
        size = self._block
        whole = len(sound) // size
        blocks = sound[: whole * size].reshape(-1, size)
        self._pending = sound[whole * size :].copy()
        if not self._count and not whole:
            return np.empty(0, np.float32)
        first = not self._count
        means: list[float] = (np.add.reduce(blocks, axis=1) / np.float32(size)).tolist()
        offsets = self._offsets(means)
        out = np.empty(len(sound), np.float32)
        np.subtract(blocks, offsets[:-1, np.newaxis], out=out[: whole * size].reshape(-1, size))
        np.subtract(sound[whole * size :], offsets[-1], out=out[whole * size :])
        return out if first else out[held:]

    def flush(self) -> Samples:
        """What was still held back, if the sound was shorter than a block.

        The next sample need not follow on: blocks begin anew with it, the mean is kept.
        """
        held = np.empty(0, np.float32) if self._count else self._pending
        self._pending = np.empty(0, np.float32)
        return held - np.float32(held.mean()) if len(held) else held

    def _offsets(self, means: list[float]) -> Samples:
        """What to subtract from each block, and from the one begun after them."""
        # Plain floats: for a few blocks arrays cost more than what they compute.
        mean, count, offsets = self._mean, self._count, []
        for measured in means:
            if not count:
                mean = measured
            offsets.append(mean)
            if count < _MEMORY:
                count += 1
            mean += (measured - mean) / count
        offsets.append(mean)
        self._mean, self._count = mean, count
        return np.array(offsets, np.float32)


def without_offset(samples: Samples, rate: float) -> Samples:
    """A whole mono clip, shape (n,), as a `DcBlocker` gives it."""
    blocker = DcBlocker(rate)
    return np.concatenate((blocker.push(samples), blocker.flush()))
