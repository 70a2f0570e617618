"""Tones, music and clicks told from speech by how their spectrum moves."""

import json
import math
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.speech.spectral_lines import STEP, line_persistence

FRAME: Final = 320
"""Samples of 16 kHz sound in one frame."""
FEATURES: Final = 17
"""Values by which a frame is judged."""
_FIRST_BIN, _BINS = 2, 76
_PEAKS: Final = 6
_ROWS: Final = 8
_FLATTEST: Final = 0.02
_DEEPEST_DB, _FAINT_DB, _DECAY_DB = -30.0, -20.0, 0.5
_BREAK: Final = 10
_FORGOTTEN: Final = 300
_FAST, _SLOW, _SLOWEST = 0.44, 0.12, 0.04
_LEVEL_FAST, _LEVEL_SLOW = 0.2, 0.05
_LINES_RATES: Final = (0.4, 0.15, 0.05)
_STEADY, _LEVEL, _LINES = -0.7, -8.0, 0.5
_KEPT: Final = 8
_FIRST_LINES: Final = 11
_LINES_EVERY: Final = STEP // FRAME


class SpeechDiscriminator:
    """Says of frames that sound like a voice how likely they are speech (Scheirer & Slaney 1997).

    A voice never keeps its spectrum: within 40 ms pitch and mouth have moved. A tone keeps it, a
    note for as long as it lasts; a keystroke is over before a vowel would be. Judged are running
    means of how far the spectrum has turned since 40 and 80 ms ago, how much of it lies in its
    highest peaks, how far the level lies below its recent peak, and how still its lines stand
    (`spectral_lines`): 17 values, weighed by a network of eight units (`assets/discriminator.json`,
    made by `scripts/train_discriminator.py`). Every second frame is looked at, every fourth for
    its lines. Levels count only relative to each other.

    After six seconds without a voice nothing heard before counts. A pure object: pushed frames and
    the decisions of the detector.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all sound heard so far."""
        self._before = np.zeros((_KEPT, FRAME), np.float32)
        self._count = 0
        self._unvoiced = _BREAK + 1
        self._forget()

    def _forget(self) -> None:
        self._state = [_STEADY] * 9 + [_LEVEL] * 2 + [_LINES] * 6
        self._peak = -math.inf
        self._last = _probabilities([self._state])[0]

    def push(self, frames: Samples, energies: list[float], voiced: list[bool]) -> list[float]:
        """Probability of speech of each frame, 0 where it is not `voiced`.

        `frames` has shape (n, 320), `energies` are the sums of their squares.
        """
        judged, looked_at = self.judge(frames, energies, voiced)
        found = iter(_probabilities(judged) if judged else ())
        out = []
        for voice, looks in zip(voiced, looked_at, strict=True):
            if voice and looks:
                self._last = next(found)
            out.append(self._last if voice else 0.0)
        return out

    def judge(
        self, frames: Samples, energies: list[float], voiced: list[bool]
    ) -> tuple[list[list[float]], list[bool]]:
        """The values of each voiced frame that is looked at, and which frames are."""
        first, first_line = (1 - self._count) % 2, (_LINES_EVERY - 1 - self._count) % _LINES_EVERY
        self._count = (self._count + len(voiced)) % _LINES_EVERY
        looked_at = [at % 2 == first for at in range(len(voiced))]
        if not any(voiced) and len(frames) >= _KEPT:
            self._before = frames[-_KEPT:].copy()
        else:
            seen = np.concatenate((self._before, frames))
            self._before = seen[-_KEPT:].copy()
        moved = _movement(seen[_KEPT + first - 4 :: 2]) if any(voiced[first::2]) else []
        lines = voiced[first_line::_LINES_EVERY]
        if any(lines):
            end = _KEPT + first_line + _LINES_EVERY * (len(lines) - 1) + 1
            still = line_persistence(seen[:end].reshape(-1), len(lines))
        judged = []
        state, peak = self._state, self._peak
        for at, (energy, voice) in enumerate(zip(energies, voiced, strict=True)):
            # How far the frame lies below the recent peak, in dB, at most 30.
            level = 10 * math.log10(energy) if energy > 0 else -math.inf
            peak = max(level, peak - _DECAY_DB)
            below = max(level - peak, _DEEPEST_DB) if energy > 0 else _DEEPEST_DB
            self._unvoiced = 0 if voice else self._unvoiced + 1
            if self._unvoiced > _BREAK:  # between two keystrokes it goes on
                if self._unvoiced == _FORGOTTEN:
                    self._forget()
                    state, peak = self._state, self._peak
                continue
            state[9] += _LEVEL_FAST * (below - state[9])
            state[10] += _LEVEL_SLOW * (below - state[10])
            if voice and looked_at[at]:
                if below > _FAINT_DB:
                    self._take(moved[at // 2])
                    if at % _LINES_EVERY == first_line:
                        self._take_lines(still[at // _LINES_EVERY])
                judged.append(state.copy())
        self._peak = peak
        return judged, looked_at

    def _take(self, movement: list[float]) -> None:
        state = self._state
        for kind, value in enumerate(movement):
            state[kind] += _FAST * (value - state[kind])
            state[kind + 3] += _SLOW * (value - state[kind + 3])
            state[kind + 6] += _SLOWEST * (value - state[kind + 6])

    def _take_lines(self, persistence: tuple[float, float]) -> None:
        both = product(persistence, _LINES_RATES)
        for kind, (value, rate) in enumerate(both, start=_FIRST_LINES):
            self._state[kind] += rate * (value - self._state[kind])


def _movement(seen: Samples) -> list[list[float]]:
    """Of each frame but the first two: how far it has turned from the one and the two before.

    Each is log10 of one less the cosine of the two magnitude spectra, from 100 to 3850 Hz; the
    third value is log10 of the share of the power outside of the six strongest bins.
    """
    parts = np.matmul(_in_rows(seen), _fourier()).reshape(-1, 2 * _BINS)[: len(seen)]
    np.square(parts, out=parts)
    power = parts[:, :_BINS] + parts[:, _BINS:]
    magnitude = np.sqrt(power)
    totals: list[float] = np.add.reduce(power, axis=1).tolist()
    products = [
        np.add.reduce(magnitude[2:] * magnitude[lag : -2 + lag], axis=1).tolist() for lag in (1, 0)
    ]
    power.sort(axis=1)  # and not a partition: so the order of summation is always the same
    highest: list[float] = np.add.reduce(power[2:, -_PEAKS:], axis=1).tolist()
    return [
        [
            _log_rest(near, totals[at + 2] * totals[at + 1]),
            _log_rest(far, totals[at + 2] * totals[at]),
            _log_rest(high, totals[at + 2] ** 2),
        ]
        for at, (near, far, high) in enumerate(zip(*products, highest, strict=True))
    ]


def _log_rest(part: float, squared_whole: float) -> float:
    """Log10 of what is left of 1 without `part` of a whole."""
    share = part / math.sqrt(squared_whole) if squared_whole > 0 else 0.0
    return math.log10(max(1.0 - share, _FLATTEST))


def _probabilities(judged: list[list[float]]) -> list[float]:
    first, second = _network()
    hidden = np.tanh(np.matmul(_in_rows(np.array(judged)), first[:-1]) + first[-1])
    logits = np.matmul(hidden, second[:-1]).reshape(-1)[: len(judged)].tolist()
    bias = float(second[-1])
    return [1.0 / (1.0 + math.exp(-min(30.0, max(-30.0, x + bias)))) for x in logits]


def _in_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """Shape (products, 8, n): BLAS picks its order of summation by the number of rows."""
    count, width = rows.shape
    padded = np.zeros((-(-count // _ROWS) * _ROWS, width), rows.dtype)
    padded[:count] = rows
    return padded.reshape(-1, _ROWS, width)


@cache
def _fourier() -> NDArray[np.float32]:
    """From a frame to the real and the imaginary parts of its bins, under a Hann window."""
    n = np.arange(FRAME)[:, np.newaxis]
    angle = 2 * np.pi * n * np.arange(_FIRST_BIN, _FIRST_BIN + _BINS) / FRAME
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / FRAME)
    return np.hstack((window * np.cos(angle), window * np.sin(angle))).astype(np.float32)


@cache
def _network() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the hidden units, (features + 1, units), and of the output; biases come last."""
    text = files("livemood").joinpath("assets", "discriminator.json").read_text("utf-8")
    held = json.loads(text)
    return np.array(held["hidden"]), np.array(held["output"])
