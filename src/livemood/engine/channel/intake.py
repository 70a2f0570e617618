"""The writer's side of one channel: resampling into the ring, on one clock."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from livemood.audio import (
    AudioBlock,
    DcBlocker,
    FirstStep,
    LevelMeter,
    LevelPiece,
    RingBuffer,
    Samples,
    Span,
    StreamResampler,
)


@dataclass(frozen=True, slots=True)
class LostSound:
    """Sound that never came, in samples of the ring's clock."""

    span: Span
    cause: str


class Intake:
    """Takes a channel's blocks as they come and never waits for whoever reads them.

    Blocks are only noted when they come. The reader fetches them when something can follow from
    them, so that many small blocks are checked, resampled and written to the ring as one. Lost
    sound becomes silence of the same length, so that the clock goes on, and is noted; so do values
    that are no numbers.

    One thread may call `push`, another everything else.
    """

    LONGEST_FILL_S = 1.0
    """A longer hole is not pushed through the resampler; that starts afresh behind it."""
    SLACK = 8
    """Samples by which the resampler may hold back less than it did a moment ago."""

    def __init__(
        self,
        source_rate: int,
        rate: int,
        buffer_s: float,
        channel: int = 0,
        *,
        ignored: bool = False,
    ) -> None:
        """What is on an `ignored` channel counts as silence."""
        self._ignored = ignored
        self._source_rate, self._rate, self._channel = source_rate, rate, channel
        self.ring = RingBuffer(round(rate * buffer_s))
        self.lost: deque[LostSound] = deque()
        """Holes that the reader has not come to yet."""
        self.measured: deque[LevelPiece | FirstStep] = deque()
        """Levels that the reader has not come to yet, on the ring's clock."""
        self._meter = LevelMeter(source_rate)
        self._waiting: deque[AudioBlock] = deque()
        self._most_waiting = round(source_rate * buffer_s)
        self._arrived = self._dropped_until = self._due = 0
        self._broken = False
        self._held = 0
        self._resampler = StreamResampler(source_rate, rate)
        self._dc = DcBlocker(source_rate)
        self._next = 0
        self._anchor = (0.0, 0.0, float(rate))

    def push(self, block: AudioBlock) -> bool:
        """Take the block's sound of one channel, which must not change any more.

        When more waits than the ring could hold, the oldest is given up. Returns whether there is
        something to fetch: see `wake_at`.
        """
        start, end = block.start, block.start + len(block.samples)
        if end - self._next > self._most_waiting:
            self._give_up(end - self._most_waiting)
        self._waiting.append(block)
        if start != self._arrived:
            self._broken = True
        self._arrived = end
        return end >= self._due or self._broken

    def wake_at(self, sample: int) -> None:
        """Nothing can follow before the ring has sound up to `sample`.

        Sound that does not follow on what was before it is always worth fetching.
        """
        self._due = -(-(sample + self._held) * self._source_rate // self._rate)

    @property
    def arrived_ms(self) -> int:
        """How much sound has been pushed."""
        return self._arrived * 1000 // self._source_rate

    @property
    def has_news(self) -> bool:
        """Whether there is something to fetch."""
        return self._arrived >= self._due or self._broken

    def _give_up(self, oldest: int) -> None:
        while self._waiting and oldest > self._next and self._waiting[0].end <= oldest:
            self._dropped_until = oldest  # first: a reader that meets the hole knows the cause
            try:
                self._waiting.popleft()
            except IndexError:  # the reader was quicker
                break

    def fetch(self) -> None:
        """Write what has been pushed to the ring."""
        self._broken = False  # before looking: what comes from now on tells again
        waiting, run = self._waiting, list[Samples]()
        end, last, cancelled = self._next, None, False
        while waiting:
            last = waiting.popleft()
            samples = last.samples
            if last.start != end or last.cancelled != cancelled:
                self._write(run, cancelled=cancelled)
                run, cancelled = [], last.cancelled
                if last.start > end:
                    self._fill(last.start, self._cause(end, last))
                    end = last.start
                else:  # what was heard already is not heard again
                    samples = samples[end - last.start :]
            run.append(samples)
            end += len(samples)
        if last is not None:
            self._write(run, cancelled=cancelled)
            position = end * self._rate / self._source_rate
            self._anchor = (position, last.captured_at, self._rate * last.pace)
            self._held = max(0, int(position) - self.ring.end - self.SLACK)

    def _cause(self, hole: int, block: AudioBlock) -> str:
        return "overrun" if hole < self._dropped_until else block.gap_cause

    def _write(self, run: list[Samples], *, cancelled: bool) -> None:
        """Write pieces of sound, all channels, that follow on each other."""
        if not run:
            return
        joined = run[0] if len(run) == 1 else np.concatenate(run)
        sound = joined[:, self._channel if joined.shape[1] > self._channel else 0]
        end = self._next + len(sound)
        if self._ignored:
            sound = np.zeros_like(sound)
        # One product instead of a test of each value: a NaN or an infinity in it shows.
        with np.errstate(all="ignore"):
            finite = math.isfinite(float(np.dot(sound, sound)))
        if finite and len(sound) <= self._source_rate:
            self._measure(self._next, sound, cancelled)
            self._append(sound)
            self._next = end
            return
        for start, samples in _numbers(sound, self._next):
            if start > self._next:
                self._fill(start, "not_finite")
            self._measure(start, samples, cancelled)
            piece = max(1, self._source_rate)  # so that no write overruns the ring by itself
            for at in range(0, len(samples), piece):
                self._append(samples[at : at + piece])
            self._next = start + len(samples)
        if end > self._next:
            self._fill(end, "not_finite")

    def _measure(self, start: int, samples: Samples, cancelled: bool) -> None:
        """Note levels as the sound came, before anything is done to it."""
        if not self._ignored:
            ratio = self._rate / self._source_rate
            for piece in self._meter.push(start, samples, cancelled=cancelled):
                self.measured.append(replace(piece, end=round(piece.end * ratio)))

    def _append(self, samples: Samples) -> None:
        """Write sound that follows on, at the ring's rate and without a constant offset."""
        self.ring.write(self._resampler.push(self._dc.push(samples)))

    def flush(self) -> None:
        """The stream ended: write what is left, and what the resampler held back."""
        self.fetch()
        self.ring.write(self._resampler.push(self._dc.flush()))
        self._write_up_to(self._resampler.flush(), self._next)

    def captured_at(self, sample: int) -> float:
        """When `sample`, on the ring's clock, was captured: monotonic seconds."""
        position, time, samples_a_second = self._anchor
        return time - (position - sample) / samples_a_second

    def _fill(self, until: int, cause: str) -> None:
        hole = until - self._next
        start, end = (round(x * self._rate / self._source_rate) for x in (self._next, until))
        self.lost.append(LostSound(Span(start, end), cause))
        self._meter.cut()
        self.ring.write(self._resampler.push(self._dc.flush()))
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
