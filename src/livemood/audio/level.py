"""How loud a stream is, whether it is clipped and whether it is sound at all, as it comes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples

PIECE_S: Final = 0.5
"""Sound that is measured at once."""
FRAMES: Final = 25
"""Frames of 20 ms in a piece."""
RAIL: Final = 0.0025
"""Samples so near to the extreme are at the rail, as a share of the piece's span."""
BESIDE: Final = 9 * RAIL
"""The band inside the rail. Sound that is not clipped is there more often than at the extreme."""
LEAST_STEPS: Final = 90
"""With fewer values in its span a piece is too coarse for `clipped` to be told."""
LOOKED_AT: Final = 3
"""Frames in which the first step is sought: the gate opens after more."""
FINE, EIGHT_BITS = 2.0**-13, 2.0**-7
"""Between them is a step worth telling early: not that of 16 bits, nor a click in silence."""
HEIGHTS: Final = np.outer(2.0 ** np.arange(-12, 1), 1 + np.arange(16) / 16).reshape(-1)
"""From each to the next is one bin of `heights`; the last one has no end."""
STEADY: Final = 2.0**-16
"""A piece that spans less, half a step of 16 bits, is no sound but one value."""


@dataclass(frozen=True, slots=True)
class LevelPiece:
    """What was measured of half a second of sound."""

    end: int
    """The sample after its last one, on the clock of whoever pushed it."""
    peak: float
    """Its largest sample, whatever the sign."""
    clipped: float
    """Share of samples at a rail, in [0, 1]; 0 if there is none."""
    steady: bool
    """Whether all samples have the same value: digital silence, or a constant."""
    cancelled: bool
    """Whether it was mixed from channels that cancel each other."""
    powers: NDArray[np.float64]
    """Mean square of each frame of 20 ms without its mean, shape (25,)."""
    step: float
    """The smallest step between values in its loudest frame; 0 if there is none."""
    heights: NDArray[np.uint32]
    """Samples above and below zero by their height, between `HEIGHTS`: shape (2, 208)."""


@dataclass(frozen=True, slots=True)
class FirstStep:
    """What a stream comes in, as its first sound lets guess: the first piece is still to come."""

    end: int
    """The sample after the last one that was looked at, on the clock of whoever pushed it."""
    step: float
    """The smallest step between two values."""


class LevelMeter:
    """Measures a mono stream in pieces of half a second, before anything is done to it.

    A rail is found by how samples are spread: at a rail there are more than in the band beside it.
    So clipping is seen below full scale, too, on one side, and on top of a constant offset. What is
    measured does not depend on the sizes of the blocks. A pure object.
    """

    def __init__(self, rate: float) -> None:
        """`rate` samples a second."""
        self._frame = max(1, round(rate * PIECE_S / FRAMES))
        self._pending: list[Samples] = []
        self._held = 0
        self._cancelled = False
        self._looking, self._looked = True, 0

    def push(
        self, start: int, samples: Samples, *, cancelled: bool = False
    ) -> list[LevelPiece | FirstStep]:
        """Take sound, shape (n,), from `start` on, which follows on: the pieces now whole.

        `cancelled` says that it was mixed from channels that cancel each other. Before the first
        piece that is sound comes its step, if it is one of 8 bits.
        """
        size = self._frame * FRAMES
        if self._held + len(samples) < size and not self._looking:
            self._keep(samples, cancelled)
            return []
        begin = start - self._held
        sound = np.concatenate((*self._pending, samples)) if self._held else samples
        whole = len(sound) // size
        found: list[LevelPiece | FirstStep] = []
        for n in range(whole):
            piece = sound[n * size : (n + 1) * size]
            cancels = cancelled or (not n and self._cancelled)
            found += self._look(begin + n * size, piece)
            measured = self._measure(begin + (n + 1) * size, piece, cancels)
            found.append(measured)
            self._looking, self._looked = self._looking and measured.steady, 0
        if whole:
            self.cut()
        rest = sound[whole * size :]
        self._pending, self._held = [], 0
        self._keep(rest, cancelled)
        return found + self._look(begin + whole * size, rest)

    def cut(self) -> None:
        """The next sample does not follow on: a piece that was begun is given up."""
        self._pending, self._held, self._cancelled, self._looked = [], 0, False, 0

    def _look(self, begin: int, sound: Samples) -> list[LevelPiece | FirstStep]:
        """The step, at the first 60 ms of a piece that are sound from near their beginning.

        Few values lie far from each other, however fine their steps are.
        """
        length = LOOKED_AT * self._frame
        if not self._looking:
            return []
        for at in range(self._looked, len(sound) - length + 1, length):
            self._looked = at + length
            if not np.ptp(sound[at : at + length // 4]):
                continue
            if step := _step(sound[at : at + length]):
                self._looking = False
                coarse = FINE < step <= EIGHT_BITS
                return [FirstStep(begin + at + length, step)] if coarse else []
        return []

    def _keep(self, samples: Samples, cancelled: bool) -> None:
        if len(samples):
            self._pending.append(samples)
            self._held += len(samples)
            self._cancelled |= cancelled

    def _measure(self, end: int, sound: Samples, cancelled: bool) -> LevelPiece:
        highest, lowest = float(sound.max()), float(sound.min())
        peak = max(highest, -lowest)
        if highest - lowest < STEADY:
            none = np.zeros((2, len(HEIGHTS)), np.uint32)
            return LevelPiece(end, peak, 0.0, True, cancelled, np.zeros(FRAMES), 0.0, none)
        frames = sound.reshape(FRAMES, self._frame) - np.float32((highest + lowest) / 2)
        means = np.add.reduce(frames, axis=1, dtype=np.float64) / self._frame
        squares = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / self._frame
        powers = np.maximum(squares - means * means, 0.0)
        step = _step(sound.reshape(FRAMES, -1)[int(powers.argmax())])
        coarse = highest - lowest < LEAST_STEPS * step
        clipped = 0.0 if coarse else _at_rails(sound, lowest, highest)
        return LevelPiece(end, peak, clipped, False, cancelled, powers, step, _heights(sound))


def _heights(sound: Samples) -> NDArray[np.uint32]:
    """How many samples lie in each bin, above zero and below.

    The upper bits of a float are its sign, its octave and its sixteenth: all are counted at once.
    """
    bits = np.ascontiguousarray(sound, np.float32).view(np.uint32) >> _LOWER_BITS
    signs = np.bincount(bits, minlength=2 * _BITS).reshape(2, _BITS)[:, _LOWEST_HEIGHT:]
    counts = signs[:, : len(HEIGHTS)].astype(np.uint32)
    counts[:, -1] += np.add.reduce(signs[:, len(HEIGHTS) :], axis=1, dtype=np.uint32)
    return counts


_LOWER_BITS, _BITS = 19, 2**12
_LOWEST_HEIGHT: Final = int(HEIGHTS[:1].astype(np.float32).view(np.uint32)[0] >> _LOWER_BITS)


def _step(frame: Samples) -> float:
    """The smallest step between two values of a frame; 0 if it has one only."""
    ordered = frame.copy()
    ordered.sort()
    steps = ordered[1:] - ordered[:-1]
    steps = steps[steps > 0]
    return float(steps.min()) if len(steps) else 0.0


def _at_rails(sound: Samples, lowest: float, highest: float) -> float:
    """Share of samples at a rail, above or below."""
    span = highest - lowest
    at = 0
    for distance in (highest - sound, sound - lowest):
        rail = int(np.count_nonzero(distance <= RAIL * span))
        beside = int(np.count_nonzero(distance <= (RAIL + BESIDE) * span)) - rail
        if rail > beside:
            at += rail
    return at / len(sound)
