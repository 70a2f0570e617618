"""What is wrong with the sound of a channel: too quiet, clipped, dead, cancelled."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from livemood.audio.level import HEIGHTS, PIECE_S, LevelPiece

Problem = Literal["quiet", "clipped", "dead", "cancelled"]
"""What can be wrong."""

QUIET_DB: Final = 8.0
"""Loud frames of speech that lie less far above the faintest frames are hardly above the noise.

Speech with as much noise as voice lies about 6 dB above them, at an SNR of 5 dB 10, clean speech 17
and more.
"""
COARSE_DB: Final = 15.0
"""Speech that lies less far above the noise of its own quantisation is too quiet for its format."""
HYSTERESIS_DB: Final = 3.0
"""So much better it must become until that is over."""
CLIPPED, UNCLIPPED = 0.02, 0.005
"""Share of the samples of speech at a rail, from which it is clipped and below which no longer."""
CROWDED, UNCROWDED = 1.4, 1.15
"""So many times more samples just below the peaks than further down: they were clipped before a
lossy codec, which wears the rail off. In speech that was not there are fewer, the higher they lie
(Aleinik & Matveev 2014)."""
DEAD_S, DEAD_AGAIN_S = 5.0, 20.0
"""One value for so long: from the beginning, and after sound came. Some programs mute pauses."""
HOLD_S: Final = 3.0
"""No two changes are nearer."""
_SPEECH, _LEAST, _NOISE, _CROWD = 6, 2, 20, 4
"""Pieces: of speech that are judged by, at most and at least; in which noise is sought; of speech
that show how its heights are spread."""
_TALLEST, _CROWD_LEAST, _FEWEST = 0.9995, 0.006, 0.002
_GRID, _WIDE, _LOWEST = 40, 4, 14
_TENTH, _TOP = 0.1, 0.95
_NOTHING: Final = 1e-14


@dataclass(frozen=True, slots=True)
class LevelChange:
    """What is wrong with the sound from now on."""

    problems: tuple[Problem, ...]
    """`quiet`, `clipped`, `dead`, `cancelled`, in this order; none if all is well again."""
    speech_db: float | None
    """Level of the last speech's loud frames, in dB of full scale; None before there is any."""
    noise_db: float | None
    """Level of the faintest tenth of the frames of the last ten seconds; None for silence."""
    peak_db: float | None
    """The largest sample of the last ten seconds; None for silence."""


class LevelJudge:
    """Judges pieces of sound and says when what is wrong changes. A pure object.

    Speech is judged by its last three seconds. Only speech can be quiet or clipped, and only more
    speech takes that back, so pauses change nothing.
    """

    def __init__(self) -> None:
        self.problems: tuple[Problem, ...] = ()
        """What is wrong now."""
        self._last: deque[LevelPiece] = deque(maxlen=_NOISE)
        self._speech: deque[LevelPiece] = deque(maxlen=_SPEECH)
        self._above: deque[float] = deque(maxlen=_SPEECH)
        self._heights = np.zeros((2, len(HEIGHTS)), np.int64)
        self._speech_db: float | None = None
        self._crowd = 0.0
        self._steady, self._since_change = 0, math.inf
        self._sounded = False

    def push(self, piece: LevelPiece, *, speech: bool) -> LevelChange | None:
        """Take the next piece, and whether somebody speaks in it: what changed, if anything."""
        self._last.append(piece)
        if speech and not piece.steady:
            self._take(piece)
        self._steady = self._steady + 1 if piece.steady else 0
        self._sounded |= not piece.steady
        self._since_change += PIECE_S
        problems = self._problems()
        if problems == self.problems or self._since_change < HOLD_S:
            return None
        self.problems, self._since_change = problems, 0.0
        peak = max(each.peak for each in self._last)
        return LevelChange(problems, self._speech_db, self._noise_db(), _db(peak * peak))

    def _take(self, piece: LevelPiece) -> None:
        """Take a piece of speech. What speech is judged by changes with it and stays in pauses."""
        if len(self._speech) == _SPEECH:
            self._heights -= self._speech[0].heights
        self._heights += piece.heights
        self._speech.append(piece)
        self._above.append(_above_rounding(piece))
        powers = np.concatenate([each.powers for each in self._speech])
        self._speech_db = _db(_quantile(powers, _TOP))
        if len(self._speech) >= _CROWD:
            self._crowd = max(map(_crowded, self._heights))

    def _problems(self) -> tuple[Problem, ...]:
        dead = self._steady * PIECE_S >= (DEAD_AGAIN_S if self._sounded else DEAD_S)
        holds = (self._is_quiet(), self._is_clipped(), dead, self._is_cancelled())
        every: tuple[Problem, ...] = get_args(Problem)
        return tuple(problem for problem, does in zip(every, holds, strict=True) if does)

    def _is_quiet(self) -> bool:
        now = "quiet" in self.problems
        speech = self._speech_db
        if len(self._speech) < _LEAST or speech is None:
            return now
        allowed, noise = HYSTERESIS_DB if now else 0.0, self._noise_db()
        if noise is not None and speech - noise < QUIET_DB + allowed:
            return True
        return sorted(self._above)[len(self._above) // 2] < COARSE_DB + allowed

    def _is_clipped(self) -> bool:
        now = "clipped" in self.problems
        if len(self._speech) < _LEAST:
            return now
        share = sum(piece.clipped for piece in self._speech) / len(self._speech)
        if share >= (UNCLIPPED if now else CLIPPED):
            return True
        if len(self._speech) < _CROWD:
            return now
        return self._crowd >= (UNCROWDED if now else CROWDED)

    def _is_cancelled(self) -> bool:
        if len(self._speech) < _LEAST:
            return "cancelled" in self.problems
        count = sum(piece.cancelled for piece in self._speech)
        return count >= (1 if "cancelled" in self.problems else _LEAST)

    def _noise_db(self) -> float | None:
        """Digital silence between words is no noise."""
        powers = np.concatenate([piece.powers for piece in self._last])
        return _db(_quantile(powers, _TENTH))


def _crowded(heights: NDArray[np.int64]) -> float:
    """How many times more samples lie in a tenth of the peak's height than in one further down."""
    below = np.zeros(len(_EDGES))
    np.cumsum(heights, out=below[1:])
    total = float(below[-1])
    tallest = float(np.interp(_TALLEST * total, below, _EDGES))
    within = np.interp(tallest * _TICKS / _GRID, _EDGES, below)
    band = within[_WIDE:] - within[:-_WIDE]
    upper, lower = band[_LOWEST:], band[_LOWEST - _WIDE * 3 // 2 : -_WIDE * 3 // 2]
    ratios = upper / np.maximum(lower, max(1.0, _FEWEST * total))
    return float(np.maximum.reduce(ratios, where=upper > _CROWD_LEAST * total, initial=0.0))


_EDGES: Final = np.append(HEIGHTS, 2.0)
_TICKS: Final = np.arange(_GRID * 5 // 4 + 1)


def _quantile(powers: NDArray[np.float64], share: float) -> float:
    """As `np.quantile` with the value below, which takes longer. Leaves `powers` reordered."""
    at = int(share * (len(powers) - 1))
    powers.partition(at)
    return float(powers[at])


def _above_rounding(piece: LevelPiece) -> float:
    """How far the loudest frame lies above the noise of its quantisation (step²/12), in dB."""
    rounding = piece.step * piece.step / 12
    loudest = float(piece.powers.max())
    return math.inf if rounding <= _NOTHING * loudest else 10 * math.log10(loudest / rounding)


def _db(power: float) -> float | None:
    return round(10 * math.log10(power), 1) if power > _NOTHING else None
