"""What is known of one stream between hops, so that a hop computes its own steps alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.model.baseline import VoiceBaseline
from livemood.model.network.interface import Interface

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """How one window sounds."""

    probabilities: Float64
    """Calibrated probability of each label, shape (labels,), summing to 1."""
    not_speech: float | None = None
    """Probability that it is no speech but laughter, music, a bark; None if the model cannot
    tell."""
    baseline_s: float | None = None
    """Seconds of this voice that the reading was related to; None without a baseline."""
    is_speech: bool = True
    """Whether it counts as speech; if not, no emotion is told."""
    dimensions: tuple[float, ...] = ()
    """Valence, arousal and maybe dominance, each in [-1, 1], of a network that learnt ratings."""


class StreamingState:
    """The network's state, the last frames, and what steps said, in fixed memory.

    Steps count from the beginning of the stream. Step k lies in slot k modulo the number of slots:
    pooling does not care about order.
    """

    __slots__ = (
        "_first",
        "_interface",
        "_oldest",
        "age",
        "baseline",
        "begun",
        "frames",
        "fresh",
        "last",
        "maximum",
        "next",
        "not_speech",
        "tensors",
        "votes",
        "weights",
    )

    def __init__(
        self,
        interface: Interface,
        *,
        slots: int,
        overlap: int,
        baseline: VoiceBaseline | None = None,
    ) -> None:
        self._interface = interface
        self.frames = np.zeros((overlap, interface.mels), np.float32)
        """The last frames, which the next block sees, too; shape (frames, mels)."""
        self.maximum: Float32 | None = None
        """The running maximum that frames are related to, if the level is taken out of them."""
        self.tensors = [np.zeros(s.shape, s.dtype) for s in interface.states]
        """The network's own state, in the order of the interface's."""
        self.age = np.zeros(interface.entries, np.float32)
        """Calls since each entry of the rings was written; 0 for empty ones."""
        self._oldest = 0
        self.fresh = True
        """Whether the next step begins afresh: nothing is known of those before it."""
        self.votes = np.zeros((slots, interface.width), np.float32)
        """The output of each step."""
        self.weights = np.zeros(slots, np.float32)
        """How much each counts; 0 for slots that are not part of the window."""
        self.not_speech = np.zeros(slots, np.float32)
        """The logit of each step that it is no speech."""
        self.next: int | None = None
        """The step to come; none before the first."""
        self.begun = 0
        """The step that it began afresh with: what comes before plays no part."""
        self._first = 0
        self.last: Reading | None = None
        """How the window before sounded."""
        self.baseline = baseline
        """How this voice usually sounds. It outlasts a speech: see `forget`."""

    @property
    def steps(self) -> int:
        """How many steps the window has."""
        return int(np.count_nonzero(self.weights))

    def forget(self) -> None:
        """Another speech begins: nothing heard before counts, but for the voice's baseline."""
        self.next = None

    def turn_to(self, first: int, end: int) -> int:
        """Make ready for a window of the steps from `first` to `end`; the first one to compute.

        Steps before `first` are left out from now on. If some of the window's steps are neither
        known nor the next to come, everything starts afresh at `first`.
        """
        if self.next is None or not first <= self.next <= end:
            self._begin(first)
        slots = len(self.weights)
        for step in range(self._first, first):
            self.weights[step % slots] = 0
        self._first = max(self._first, first)
        assert self.next is not None  # noqa: S101 - set above
        return self.next

    def _begin(self, first: int) -> None:
        for tensor, spec in zip(self.tensors, self._interface.states, strict=True):
            if not spec.new:  # what a ring holds is not looked at while its age is 0
                tensor[...] = 0
        self.age[:] = 0
        self._oldest = 0
        self.maximum = None
        self.weights[:] = 0
        self.next = self.begun = self._first = first
        self.last = None
        self.fresh = True

    def take(self, new: Sequence[NDArray[Any]], row: int) -> None:
        """Go on from the states of `row` that a call gave, in the order of the interface's."""
        at = self._oldest
        for tensor, spec, given in zip(self.tensors, self._interface.states, new, strict=True):
            if spec.new:
                into = np.moveaxis(tensor, spec.axis, 0) if spec.axis else tensor
                into[at : at + spec.new] = (
                    np.moveaxis(given[row], spec.axis, 0) if spec.axis else given[row]
                )
            else:
                tensor[...] = given[row]
        if entries := self._interface.new_entries:
            self.age[self.age > 0] += 1
            self.age[at : at + entries] = 1
            self._oldest = (at + entries) % len(self.age)
        self.fresh = False

    def push(self, votes: Float32, weights: Float32, not_speech: Float32 | None = None) -> None:
        """Take what the next steps say, what each weighs, and its logit for no speech.

        `votes` (steps, width), `weights` (steps,), `not_speech` (steps,).
        """
        assert self.next is not None  # noqa: S101 - `turn_to` came before
        self.fresh = False
        count, slots = len(votes), len(self.weights)
        for offset in range(max(0, count - slots), count):
            slot = (self.next + offset) % slots
            self.votes[slot] = votes[offset]
            self.weights[slot] = weights[offset]
            if not_speech is not None:
                self.not_speech[slot] = not_speech[offset]
        self.next += count


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """One window to be read: what is known of its stream, and the sound that it adds."""

    state: StreamingState
    sound: Samples
    """Of the frames of its new steps, shape (n,); empty if the window brings no new step."""
    steps: int
    """How many new steps these are."""
    kind: tuple[int, bool]
    """Requests of one kind can run as one batch."""
