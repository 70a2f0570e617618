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

    def push(self, start: int, samples: Samples, *, cancelled: bool = False) -> list[LevelPiece]:
        """Take sound, shape (n,), from `start` on, which follows on: the pieces now whole.

        `cancelled` says that it was mixed from channels that cancel each other.
        """
        size = self._frame * FRAMES
        if self._held + len(samples) < size:
            self._keep(samples, cancelled)
            return []
        begin = start - self._held
        sound = np.concatenate((*self._pending, samples)) if self._held else samples
        whole = len(sound) // size
        found = []
        for n in range(whole):
            piece = sound[n * size : (n + 1) * size]
            cancels = cancelled or (not n and self._cancelled)
            found.append(self._measure(begin + (n + 1) * size, piece, cancels))
        self.cut()
        if rest := len(sound) - whole * size:
            self._keep(sound[-rest:], cancelled)
        return found

    def cut(self) -> None:
        """The next sample does not follow on: a piece that was begun is given up."""
        self._pending, self._held, self._cancelled = [], 0, False

    def _keep(self, samples: Samples, cancelled: bool) -> None:
        if len(samples):
            self._pending.append(samples)
            self._held += len(samples)
            self._cancelled |= cancelled

    def _measure(self, end: int, sound: Samples, cancelled: bool) -> LevelPiece:
        highest, lowest = float(sound.max()), float(sound.min())
        peak = max(highest, -lowest)
        if highest - lowest < STEADY:
            return LevelPiece(end, peak, 0.0, True, cancelled, np.zeros(FRAMES), 0.0)
        frames = sound.reshape(FRAMES, self._frame) - np.float32((highest + lowest) / 2)
        means = np.add.reduce(frames, axis=1, dtype=np.float64) / self._frame
        squares = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / self._frame
        powers = np.maximum(squares - means * means, 0.0)
        step = _step(sound.reshape(FRAMES, -1)[int(powers.argmax())])
        coarse = highest - lowest < LEAST_STEPS * step
        clipped = 0.0 if coarse else _at_rails(sound, lowest, highest)
        return LevelPiece(end, peak, clipped, False, cancelled, powers, step)


def _step(frame: Samples) -> float:
    """The smallest step between two values of a frame; 0 if it has one only."""
    steps = np.diff(np.sort(frame))
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
