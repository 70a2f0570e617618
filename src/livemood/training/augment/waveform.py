"""Changes made to the sound of training examples: library transforms, each seeded.

Transforms are audiomentations' and torchaudio's where they have one; what lines do is in
`livemood.training.augment.degradation`. Every transform takes 16 kHz sound, float32 of shape (n,),
and a generator from which all that is random in it follows. Needs the extra `augment`.
"""

import hashlib
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torchaudio

from livemood.audio.block import Samples
from livemood.audio.resample import resample
from livemood.errors import LivemoodError
from livemood.speech.vad import SAMPLE_RATE
from livemood.training.augment.degradation import NoiseBank, coded, with_losses, with_noise
from livemood.training.data.clips import Clip, read_clip
from livemood.training.recipe.sections import AugmentSection
from livemood.training.recipe.waveform import KINDS, WaveformChange

Transform = Callable[[Samples, np.random.Generator], Samples]


class Augmenter:
    """The transforms of a recipe, applied in order, each with its probability."""

    def __init__(
        self,
        parts: Sequence[WaveformChange],
        noise: NoiseBank | None = None,
        others: Sequence[Clip] = (),
    ) -> None:
        """`noise` is what the kind `noise` draws from; `others` what `background_speech` does."""
        self._parts, self._noise, self._others = tuple(parts), noise, others
        self._steps = [(part, self._transform(part)) for part in parts]

    def __call__(self, sound: Samples, seed: Sequence[int]) -> Samples:
        """The sound, changed; the same for the same seed."""
        rng = np.random.default_rng(list(seed))
        for part, transform in self._steps:
            if rng.random() < part.p:
                sound = transform(np.ascontiguousarray(sound, np.float32), rng)
        return np.nan_to_num(np.asarray(sound, np.float32))

    @property
    def background(self) -> str:
        """Names the clips that are mixed in; empty if none are.

        What was changed for one fold must not serve another, whose test speakers it may hold.
        """
        if not any(part.kind == "background_speech" for part in self._parts):
            return ""
        names = " ".join(sorted(clip.identity for clip in self._others))
        return f" {hashlib.sha256(names.encode()).hexdigest()}"

    def __reduce__(self) -> tuple[type["Augmenter"], tuple[object, ...]]:
        """As it was made: processes that work beside this one make their own."""
        return Augmenter, (self._parts, self._noise, self._others)

    def _transform(self, part: WaveformChange) -> Transform:
        low, high = part.range
        kind = part.kind
        if kind in _LIBRARY:
            return _library(*_LIBRARY[kind](low, high))
        if kind == "noise":
            return lambda s, rng: with_noise(s, self._bank().draw(len(s), rng), _in(low, high, rng))
        if kind == "background_speech":
            return lambda s, rng: with_noise(s, self._other(rng), _in(low, high, rng))
        if kind == "telephone":
            return lambda s, rng: coded(s, SAMPLE_RATE, str(rng.choice(["mulaw", "alaw"])))
        own = _OWN[kind]
        return lambda s, rng: own(s, _in(low, high, rng), rng)

    def _bank(self) -> NoiseBank:
        if self._noise is None:
            raise LivemoodError("the recipe adds noise, but its corpus of noise is not there")
        return self._noise

    def _other(self, rng: np.random.Generator) -> Samples:
        if not self._others:
            raise LivemoodError("the recipe mixes clips, but there are none to mix in")
        return read_clip(self._others[int(rng.integers(len(self._others)))], SAMPLE_RATE)


def make_augmenter(
    augment: AugmentSection, corpora: Path, background: Sequence[Clip]
) -> Augmenter | None:
    """The augmenter that a recipe asks for, if it asks for any change of sound."""
    if not augment.waveform:
        return None
    noise = NoiseBank(corpora / augment.noise, augment.noise_folds)
    return Augmenter(augment.waveform, noise, tuple(background))


def _in(low: float, high: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(low, high))


def _speed(sound: Samples, factor: float, _: np.random.Generator) -> Samples:
    """Played faster, tempo and pitch together."""
    return resample(sound, SAMPLE_RATE * factor, SAMPLE_RATE)


def _frequency_shift(sound: Samples, hz: float, _: np.random.Generator) -> Samples:
    """All frequencies moved by as many Hz, as on a line whose carriers differ.

    By the analytic signal (Gabor 1946): partials are no longer harmonic.
    """
    spectrum = np.fft.fft(sound)
    half = len(sound) // 2
    spectrum[1:half] *= 2
    spectrum[half + 1 :] = 0
    turn = np.exp(2j * np.pi * hz / SAMPLE_RATE * np.arange(len(sound)))
    out: Samples = (np.fft.ifft(spectrum) * turn).real.astype(np.float32)
    return out


def _tilt(sound: Samples, decibels: float, _: np.random.Generator) -> Samples:
    """The spectrum above 1 kHz raised against that below."""
    wave = torch.tensor(sound)[None]
    tilted = torchaudio.functional.treble_biquad(wave, SAMPLE_RATE, decibels, 1000.0, 0.4)
    return tilted[0].numpy()  # type: ignore[no-any-return]


def _opus(sound: Samples, kilobits: float, _: np.random.Generator) -> Samples:
    return coded(sound, SAMPLE_RATE, "opus", round(1000 * kilobits))


def _packet_loss(sound: Samples, percent: float, rng: np.random.Generator) -> Samples:
    return with_losses(sound, SAMPLE_RATE, percent / 100, rng, burst=float(rng.uniform(1, 3)))


_OWN: Final[dict[str, Callable[[Samples, float, np.random.Generator], Samples]]] = {
    "speed": _speed,
    "frequency_shift": _frequency_shift,
    "tilt": _tilt,
    "opus": _opus,
    "packet_loss": _packet_loss,
}

_LIBRARY: Final[dict[str, Callable[[float, float], tuple[str, dict[str, Any]]]]] = {
    "time_shift": lambda a, b: ("Shift", {"min_shift": a, "max_shift": b, "rollover": False}),
    "time_stretch": lambda a, b: (
        "TimeStretch",
        {"min_rate": a, "max_rate": b, "leave_length_unchanged": False},
    ),
    "reverse": lambda a, b: ("Reverse", {}),  # noqa: ARG005 - nothing to choose
    "gain": lambda a, b: ("Gain", {"min_gain_db": a, "max_gain_db": b}),
    "gain_transition": lambda a, b: (
        "GainTransition",
        {"min_gain_db": a, "max_gain_db": b, "min_duration": 0.2, "max_duration": 1.5},
    ),
    "pitch_shift": lambda a, b: ("PitchShift", {"min_semitones": a, "max_semitones": b}),
    "reverberation": lambda a, b: (
        "RoomSimulator",
        {
            "min_target_rt60": a,
            "max_target_rt60": b,
            "calculation_mode": "rt60",
            "use_ray_tracing": False,
            "leave_length_unchanged": True,
            "min_size_x": 4.0,
            "max_size_x": 8.0,
            "min_size_y": 4.0,
            "max_size_y": 6.0,
            "min_mic_distance": 0.3,
            "max_mic_distance": 1.5,
        },
    ),
    "time_mask": lambda a, b: ("TimeMask", {"min_band_part": a, "max_band_part": b}),
    "frequency_mask": lambda a, b: (
        "BandStopFilter",
        {
            "min_center_freq": 300.0,
            "max_center_freq": 6000.0,
            "min_bandwidth_fraction": a,
            "max_bandwidth_fraction": b,
        },
    ),
}
"""Kinds that audiomentations has: the name of its transform and its settings."""
assert set(_LIBRARY) | set(_OWN) | {"noise", "background_speech", "telephone"} == set(KINDS)  # noqa: S101


def _library(name: str, settings: dict[str, Any]) -> Transform:
    try:
        import audiomentations
        import pyroomacoustics  # noqa: F401 - audiomentations' rooms need it
    except ModuleNotFoundError as error:
        raise LivemoodError(
            f"augmentation of sound needs {error.name}: pip install 'livemood[augment]'"
        ) from None
    transform = getattr(audiomentations, name)(p=1.0, **settings)

    def apply(sound: Samples, rng: np.random.Generator) -> Samples:
        with _seeded(int(rng.integers(2**32))), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sound beyond full scale: levels are ours to choose
            out: Samples = transform(sound, SAMPLE_RATE)
        return out

    return apply


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The library draws from the global generators: seeded here, and put back after."""
    before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002
