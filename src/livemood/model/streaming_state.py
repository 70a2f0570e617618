"""What is kept of one stream between hops, so that a hop computes its own steps alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples

Float32 = NDArray[np.float32]


class StreamingState:
    """Frames, rows of the convolutions, a recurrent state, and what steps said, in fixed memory.

    Steps count from the beginning of the stream, 80 ms each. Step k lies in slot k modulo the
    number of slots: pooling does not care about order.
    """

    __slots__ = ("_first", "frames", "fresh", "last", "next", "rows", "state", "votes", "weights")

    def __init__(
        self,
        *,
        said: int,
        slots: int,
        units: int,
        frames: tuple[int, int],
        rows: Sequence[NDArray[Any]],
    ) -> None:
        self.frames = np.zeros(frames, np.float32)
        """The last frames, which the next step sees, too; shape (frames, mels)."""
        self.rows = tuple(rows)
        """The last rows that each block of convolution gave; its own from now on."""
        self.fresh = True
        """Whether the next step begins afresh: neither frames nor rows are those before it."""
        self.state = np.zeros(units, np.float32)
        """Where the recurrence goes on, shape (units,)."""
        self.votes = np.zeros((slots, said), np.float32)
        """What each step says of how it sounds."""
        self.weights = np.zeros(slots, np.float32)
        """How much each counts; 0 for slots that are not part of the window."""
        self.next: int | None = None
        """The step to come; none before the first."""
        self._first = 0
        self.last: NDArray[np.float64] | None = None
        """Probabilities of the window read last."""

    def forget(self) -> None:
        """Another speech begins: nothing heard before counts."""
        self.next = None

    def turn_to(self, first: int, end: int) -> int:
        """Make ready for a window of the steps from `first` to `end`; the first one to compute.

        Steps before `first` are left out from now on. If some of the window's steps are neither
        kept nor the next to come, the recurrence starts afresh at `first`.
        """
        if self.next is None or not first <= self.next <= end:
            self.state[:] = 0
            self.weights[:] = 0
            self.next = self._first = first
            self.last = None
            self.fresh = True
        slots = len(self.weights)
        for step in range(self._first, first):
            self.weights[step % slots] = 0
        self._first = max(self._first, first)
        return self.next

    def push(self, votes: Float32, weights: Float32) -> None:
        """Take what the next steps say: votes (steps, said), and what each weighs (steps,)."""
        assert self.next is not None  # noqa: S101 - `turn_to` came before
        self.fresh = False
        count, slots = len(votes), len(self.weights)
        for offset in range(max(0, count - slots), count):
            slot = (self.next + offset) % slots
            self.votes[slot] = votes[offset]
            self.weights[slot] = weights[offset]
        self.next += count


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """One window to be read: what is kept of it, and the sound that it adds."""

    kept: StreamingState
    sound: Samples
    """Of the frames of its new steps, shape (n,); empty if the window brings no new step."""

    @property
    def kind(self) -> tuple[int, bool]:
        """Hops of one kind can run as one batch."""
        return len(self.sound), self.kept.fresh
