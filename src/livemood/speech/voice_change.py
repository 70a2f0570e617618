"""How a voice differs from its own usual: louder, higher, livelier, faster."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.speech.pitch import f0_of_windows, span_of

FRAME: Final = 160
"""Samples of 16 kHz sound in one frame, 10 ms; sound is pushed in whole frames."""
RECENT_S: Final = 3.0
"""Seconds of speech that are compared with the usual."""
EVERY: Final = 100 * FRAME
"""Samples of new speech after which it is looked at: once a second costs a third of what every hop
would."""
KNOWN_S: Final = 10.0
"""Seconds of speech before there is a usual."""
LONGEST_S: Final = 600.0
"""The usual rests on no more than this, so it follows a voice over hours."""
LEAST: Final = {"level": 4.0, "pitch": 2.5, "pitch_range": 5.0, "rate": 1.5}
"""The smallest difference that is told in words: dB, semitones, semitones, syllables a second."""
Word = Literal["softer", "louder", "lower", "higher", "flatter", "livelier", "slower", "faster"]

WORDS: Final[dict[str, tuple[Word, Word]]] = {
    "level": ("softer", "louder"),
    "pitch": ("lower", "higher"),
    "pitch_range": ("flatter", "livelier"),
    "rate": ("slower", "faster"),
}
MOST_WORDS: Final = 2
_DECIMATION, _RATE = 4, 4000
_PITCH_FRAMES: Final = 4
"""Frames from one value of the pitch to the next."""
_LOUD_DB: Final = 20.0
_LEAST_FRAMES, _LEAST_PITCHES = 100, 8
_RISE_DB: Final = 2.0
_LEAST_WEIGHT: Final = 0.2
_DEVIATIONS: Final = 1.5
_SMOOTHED: Final = 5
"""Frames over which levels are averaged before syllables are counted."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """The last seconds of a voice against its usual. None where it cannot be told."""

    level_db: float | None
    """Louder if positive."""
    pitch_st: float | None
    """Median pitch, in semitones; higher if positive."""
    pitch_range_st: float | None
    """From the 10th to the 90th percentile of the pitch, in semitones; livelier if positive."""
    rate: float | None
    """Syllables a second; faster if positive."""
    usual_s: float
    """Seconds of speech that the usual rests on, less where it did not sound neutral."""
    words: tuple[Word, ...]
    """What is clearly unlike the usual, the clearest first, at most two words of `WORDS`."""


class VoiceObserver:
    """Compares a voice with how it spoke before. A pure object: pushed the speech of one channel.

    Level is the mean power of frames within 20 dB of the loud ones. Pitch is the fundamental
    frequency by YIN. Syllables are counted as peaks of the energy (de Jong & Wempe 2009). The usual
    is a running mean and deviation of each over the windows so far. What sounds neutral counts
    most, as in a voice's baseline. Nothing of it is an absolute value of the voice.
    """

    def __init__(self) -> None:
        self._usual = {name: _Running() for name in LEAST}
        self._seconds = 0.0
        self.forget()

    def forget(self) -> None:
        """Another speech begins: the last seconds start afresh, the usual stays."""
        self._levels = np.zeros(0)
        self._pitches = np.zeros(0)
        self._tail = np.zeros(span_of(_RATE) - _PITCH_FRAMES * FRAME // _DECIMATION)
        self._waiting = np.zeros(0)
        self._syllables = SyllableCounter()
        self._nuclei: list[int] = []
        self._pending: list[Samples] = []
        self._neutral = 0.0
        self._change: VoiceChange | None = None

    def push(self, sound: Samples, neutral: float = 1.0) -> VoiceChange | None:
        """Take new speech, float32 (n,) at 16 kHz, n a multiple of 160; None while little is known.

        `neutral` in [0, 1] says how neutral it sounded: what does not changes the usual little.
        """
        self._pending.append(sound)
        samples = sum(map(len, self._pending))
        self._neutral += neutral * len(sound)
        if samples >= EVERY:
            self._observe(np.concatenate(self._pending), self._neutral / samples)
            self._pending, self._neutral = [], 0.0
        return self._change

    def _observe(self, sound: Samples, neutral: float) -> None:
        self._take(sound)
        now = self._values()
        self._change = self._against_usual(now) if self._seconds >= KNOWN_S else None
        weight = len(sound) / (100 * FRAME) * (_LEAST_WEIGHT + (1 - _LEAST_WEIGHT) * neutral)
        for name, value in now.items():
            if value is not None:
                self._usual[name].push(value, weight)
        if any(value is not None for value in now.values()):
            self._seconds = min(self._seconds + weight, LONGEST_S)

    def _take(self, sound: Samples) -> None:
        frames = sound.astype(np.float64).reshape(-1, FRAME)
        power = np.add.reduce(np.square(frames), axis=1) / FRAME
        levels = 10 * np.log10(np.maximum(power, 1e-12))
        # By strides: to sum along so short an axis takes nine times as long.
        flat = frames.reshape(-1)
        low = flat[::_DECIMATION].copy()
        for at in range(1, _DECIMATION):
            low += flat[at::_DECIMATION]
        low /= _DECIMATION
        step = _PITCH_FRAMES * FRAME // _DECIMATION
        waiting = np.concatenate((self._waiting, low))
        whole = len(waiting) // step * step
        self._waiting = waiting[whole:]
        seen = np.concatenate((self._tail, waiting[:whole]))
        span = span_of(_RATE)
        count, size = max(0, (len(seen) - span) // step + 1), seen.itemsize
        windows = as_strided(seen, (count, span), (step * size, size))
        self._tail = seen[len(seen) - (span - step) :]
        most = round(RECENT_S * 100)
        edges = np.concatenate((self._levels[-(_SMOOTHED - 1) :], levels))
        self._levels = np.concatenate((self._levels, levels))[-most:]
        audible = (levels > self._levels.max() - _LOUD_DB).tolist()
        over = self._syllables.push(_smooth(edges)[-len(levels) :].tolist(), audible)
        self._nuclei = (self._nuclei + over)[-most:]
        pitches = f0_of_windows(windows, _RATE)
        self._pitches = np.concatenate((self._pitches, pitches))[-most // _PITCH_FRAMES :]

    def _values(self) -> dict[str, float | None]:
        values: dict[str, float | None] = dict.fromkeys(LEAST)
        if len(self._levels) < _LEAST_FRAMES:
            return values
        ordered = np.sort(self._levels)
        loud = ordered > ordered[int(0.95 * (len(ordered) - 1))] - _LOUD_DB
        values["level"] = 10 * math.log10(float(np.mean(10 ** (ordered[loud] / 10))))
        values["rate"] = 100 * sum(self._nuclei) / len(self._levels)
        tones = np.sort(12 * np.log2(self._pitches[np.isfinite(self._pitches)] / 55))
        if len(tones) >= _LEAST_PITCHES:
            tenth, half, last = (int(q * (len(tones) - 1)) for q in (0.1, 0.5, 0.9))
            values["pitch"] = float(tones[half])
            values["pitch_range"] = float(tones[last] - tones[tenth])
        return values

    def _against_usual(self, now: dict[str, float | None]) -> VoiceChange:
        off: dict[str, float | None] = {}
        clear: list[tuple[float, Word]] = []
        for name, value in now.items():
            usual = self._usual[name]
            known = value is not None and usual.weight >= KNOWN_S / 2
            off[name] = change = value - usual.mean if value is not None and known else None
            if change is None:
                continue
            bound = max(LEAST[name], _DEVIATIONS * usual.deviation)
            if abs(change) >= bound:
                clear.append((abs(change) / bound, WORDS[name][change > 0]))
        words = tuple(word for _, word in sorted(clear, reverse=True)[:MOST_WORDS])
        return VoiceChange(
            off["level"], off["pitch"], off["pitch_range"], off["rate"], self._seconds, words
        )


def _smooth(levels: Values) -> Values:
    """Mean of each frame and the four before it; of the first ones, of what there is."""
    sums = np.cumsum(levels)
    smooth = sums / np.minimum(np.arange(1, len(levels) + 1), _SMOOTHED)
    smooth[_SMOOTHED:] = (sums[_SMOOTHED:] - sums[:-_SMOOTHED]) / _SMOOTHED
    return smooth


class _Running:
    """Weighted running mean and deviation (West 1979)."""

    __slots__ = ("_squares", "mean", "weight")

    def __init__(self) -> None:
        self.weight = self.mean = self._squares = 0.0

    @property
    def deviation(self) -> float:
        return math.sqrt(self._squares / self.weight) if self.weight else 0.0

    def push(self, value: float, weight: float) -> None:
        if self.weight + weight > LONGEST_S:
            kept = (LONGEST_S - weight) / self.weight
            self.weight, self._squares = kept * self.weight, kept * self._squares
        self.weight += weight
        off = value - self.mean
        self.mean += off * weight / self.weight
        self._squares += weight * off * (value - self.mean)


class SyllableCounter:
    """Finds nuclei of syllables: peaks of the level that rise 2 dB above what lies between them.

    After de Jong & Wempe (2009), without their look at the voice. Pushed the level of each frame in
    dB, smoothed, and whether it is loud enough to be speech. A pure object.
    """

    def __init__(self) -> None:
        self._rising, self._peak, self._valley = True, -math.inf, math.inf

    def push(self, levels: Sequence[float], audible: Sequence[bool]) -> list[int]:
        """Of each frame 1 if a nucleus is known to be over, else 0."""
        found = []
        for level, sounds in zip(levels, audible, strict=True):
            over = 0
            if self._rising:
                if sounds:
                    self._peak = max(self._peak, level)
                if level < self._peak - _RISE_DB:
                    over, self._rising, self._valley = 1, False, level
            else:
                self._valley = min(self._valley, level)
                if sounds and level > self._valley + _RISE_DB:
                    self._rising, self._peak = True, level
            found.append(over)
        return found

    @property
    def open(self) -> bool:
        """Whether a nucleus has begun that is not over."""
        return self._rising and math.isfinite(self._peak)
