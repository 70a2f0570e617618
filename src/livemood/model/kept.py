"""What is kept of one stream between hops, so that a hop computes its own steps alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livemood.model.features import Frames
from livemood.model.network import NEVER


class Kept:
    """Rows of the convolutions, recurrent states and attention scores, in fixed memory.

    Steps count from the beginning of the stream, 80 ms each. Step k lies in slot k modulo the
    number of slots: pooling does not care about order.
    """

    __slots__ = ("_first", "fresh", "last", "next", "rows", "scores", "state", "states")

    def __init__(self, units: int, slots: int, rows: tuple[NDArray[np.float32], ...]) -> None:
        self.rows = rows
        """The last rows that each block of convolution gave."""
        self.fresh = True
        """Whether the next step begins afresh: the rows are not those before it."""
        self.state = np.zeros(units, np.float32)
        """Where the recurrence goes on, shape (units,)."""
        self.states = np.zeros((slots, units), np.float32)
        self.scores = np.full(slots, NEVER, np.float32)
        """`NEVER` for slots that are not part of the window."""
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
            self.scores[:] = NEVER
            self.next = self._first = first
            self.last = None
            self.fresh = True
        slots = len(self.scores)
        for step in range(self._first, first):
            self.scores[step % slots] = NEVER
        self._first = max(self._first, first)
        return self.next

    def push(
        self,
        states: Frames,
        scores: NDArray[np.float32],
        rows: Iterable[NDArray[np.float32]],
    ) -> None:
        """Take the next steps' states (steps, units) and scores (steps,), and the rows to keep."""
        assert self.next is not None  # noqa: S101 - `turn_to` came before
        for kept, new in zip(self.rows, rows, strict=True):
            kept[:] = new
        self.fresh = False
        slots = len(self.scores)
        for offset in range(max(0, len(states) - slots), len(states)):
            slot = (self.next + offset) % slots
            self.states[slot] = states[offset]
            self.scores[slot] = scores[offset]
        self.state[:] = states[-1]
        self.next += len(states)


@dataclass(frozen=True, slots=True)
class Hop:
    """One window to be read: what is kept of it, and the frames of its new steps."""

    kept: Kept
    frames: Frames
    """Shape (frames, mels); no frames if the window brings no new step."""
