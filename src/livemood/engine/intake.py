"""The writer's side of one channel: resampling into the ring, on one clock."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from livemood.audio import AudioBlock, RingBuffer, Samples, Span, StreamResampler


@dataclass(frozen=True, slots=True)
class LostSound:
    """Sound that never came, in samples of the ring's clock."""

    span: Span
    cause: str


class Intake:
    """Takes a channel's blocks as they come and never waits for whoever reads the ring.

    Lost sound becomes silence of the same length, so that the clock goes on, and is noted; so do
    values that are no numbers.
    """

    LONGEST_FILL_S = 1.0
    """A longer hole is not pushed through the resampler; that starts afresh behind it."""

    def __init__(self, source_rate: int, rate: int, buffer_s: float) -> None:
        self._source_rate, self._rate = source_rate, rate
        self.ring = RingBuffer(round(rate * buffer_s))
        self.lost: deque[LostSound] = deque()
        """Holes that the reader has not come to yet; appended here, taken there."""
        self._resampler = StreamResampler(source_rate, rate)
        self._next = 0
        self._anchor = (0.0, 0.0, float(rate))

    def push(self, block: AudioBlock, channel: int) -> None:
        """Take the block's sound of one channel."""
        if block.start > self._next:
            self._fill(block.start, block.gap_cause)
        samples = block.samples[:, channel]
        whole = block.start == self._next and len(samples) <= self._source_rate
        # One product instead of a test of each value: a NaN or an infinity in it shows.
        if whole and math.isfinite(float(np.dot(samples, samples))):
            self.ring.write(self._resampler.push(samples))
            self._next = block.end
        else:
            self._push_in_pieces(block, samples)
        # Published last: the capture time of the newest sample that a reader may ask for.
        position = block.end * self._rate / self._source_rate
        self._anchor = (position, block.captured_at, self._rate * block.pace)

    def _push_in_pieces(self, block: AudioBlock, sound: Samples) -> None:
        for start, samples in _numbers(sound, block.start):
            if start > self._next:
                self._fill(start, "not_finite")
            fresh = samples[max(0, self._next - start) :]
            self._next = max(self._next, start + len(samples))
            piece = max(1, self._source_rate)  # so that no write overruns the ring by itself
            for at in range(0, len(fresh), piece):
                self.ring.write(self._resampler.push(fresh[at : at + piece]))
        if block.end > self._next:
            self._fill(block.end, "not_finite")

    def flush(self) -> None:
        """The stream ended: bring out what the resampler held back."""
        self._write_up_to(self._resampler.flush(), self._next)

    def captured_at(self, sample: int) -> float:
        """When `sample`, on the ring's clock, was captured: monotonic seconds."""
        position, time, samples_a_second = self._anchor
        return time - (position - sample) / samples_a_second

    def _fill(self, until: int, cause: str) -> None:
        hole = until - self._next
        start, end = (round(x * self._rate / self._source_rate) for x in (self._next, until))
        self.lost.append(LostSound(Span(start, end), cause))
        if hole <= self.LONGEST_FILL_S * self._source_rate:
            self.ring.write(self._resampler.push(np.zeros(hole, np.float32)))
        else:
            self._write_up_to(self._resampler.flush(), self._next)
            self.ring.skip(end - self.ring.end)
            self._resampler = StreamResampler(self._source_rate, self._rate)
        self._next = until

    def _write_up_to(self, samples: Samples, source_end: int) -> None:
        """Write `samples` so that the ring ends just where `source_end` falls on its clock."""
        missing = round(source_end * self._rate / self._source_rate) - self.ring.end
        self.ring.write(samples[: max(0, missing)])
        self.ring.skip(missing - len(samples))


def _numbers(samples: Samples, start: int) -> Iterator[tuple[int, Samples]]:
    """The stretches of `samples` whose values are numbers, each with its first index."""
    good = np.isfinite(samples)
    if good.all():
        yield start, samples
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield start + int(first), samples[first:last]
