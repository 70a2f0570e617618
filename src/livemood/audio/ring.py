"""A ring buffer between one writer, which it never blocks, and one reader."""

import numpy as np

from livemood.audio.block import Samples, Span


class Overrun(Exception):  # noqa: N818 - a condition that the reader handles, not a fault
    """The span asked for was overwritten, in part or whole, before it could be read."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"sound before sample {oldest} has been overwritten")
        self.oldest = oldest
        """The first sample that can still be read."""


class RingBuffer:
    """The last `capacity` samples of an endless mono stream, addressed by absolute index.

    One thread writes and one reads, without a lock. The writer first announces how far it will
    overwrite, then copies, then publishes the new end; the reader copies first and looks at the
    announcement afterwards, so that a copy torn by the writer is seen and never returned. This
    relies on each attribute access being atomic and ordered, which CPython gives.
    """

    __slots__ = ("_announced", "_data", "_end", "capacity")

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise ValueError(f"a ring needs a capacity of at least 1 sample, not {capacity}")
        self.capacity = capacity
        self._data = np.zeros(capacity, np.float32)
        self._end = 0
        self._announced = 0

    @property
    def end(self) -> int:
        """Index after the newest sample."""
        return self._end

    @property
    def oldest(self) -> int:
        """Index of the oldest sample that can still be read."""
        return max(0, self._announced - self.capacity)

    def write(self, samples: Samples) -> None:
        """Append `samples` (float32, shape (n,)), overwriting the oldest. Never waits."""
        length = len(samples)
        self._announced = end = self._end + length
        kept = samples if length <= self.capacity else samples[-self.capacity :]
        at = (end - len(kept)) % self.capacity
        head = self.capacity - at
        if len(kept) <= head:
            self._data[at : at + len(kept)] = kept
        else:
            self._data[at:] = kept[:head]
            self._data[: len(kept) - head] = kept[head:]
        self._end = end

    def skip(self, count: int) -> None:
        """Append `count` samples of silence: sound was lost and the clock goes on."""
        while count > 0:
            step = min(count, self.capacity)
            self.write(np.zeros(step, np.float32))
            count -= step

    def read(self, span: Span) -> Samples:
        """A copy of `span`, shape (len(span),).

        Raises `Overrun` if part of it has been overwritten, `ValueError` if part of it has not
        been written yet.
        """
        start, length = span.start, span.end - span.start
        if span.end > self._end:
            raise ValueError(f"sample {span.end} has not been written yet (end is {self._end})")
        if length > self.capacity or start < self._announced - self.capacity:
            raise Overrun(self.oldest)
        at = start % self.capacity
        head = self.capacity - at
        if length <= head:
            out = self._data[at : at + length].copy()
        else:
            out = np.concatenate((self._data[at:], self._data[: length - head]))
        if start < self._announced - self.capacity:  # the writer came by while we copied
            raise Overrun(self.oldest)
        return out
