"""Conditions under which a model is measured: the same clips, worse sound."""

import zlib
from dataclasses import dataclass

import numpy as np

from livemood.audio.block import Samples
from livemood.errors import UsageError
from livemood.speech.vad import SAMPLE_RATE
from livemood.training.augment.degradation import CODECS, NoiseBank, coded, with_losses, with_noise

FORMS = "mulaw, alaw, opus, noise=DB, loss=PERCENT, joined by +"


@dataclass(frozen=True)
class Condition:
    """Steps that sound goes through, in order, each seeded by the clip's name."""

    name: str
    steps: tuple[tuple[str, float], ...]
    noise: NoiseBank | None = None

    def __call__(self, sound: Samples, key: str, seed: int = 1) -> Samples:
        """16 kHz sound under this condition; the same for the same `key` and `seed`."""
        rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
        for step, value in self.steps:
            if step == "noise" and self.noise:
                sound = with_noise(sound, self.noise.draw(len(sound), rng), value)
            elif step == "loss":
                sound = with_losses(sound, SAMPLE_RATE, value / 100, rng)
            else:
                sound = coded(sound, SAMPLE_RATE, step)
        return sound


def parse_condition(text: str, noise: NoiseBank | None = None) -> Condition:
    """The condition that `text` names, such as `noise=10+mulaw+loss=5`; `clean` changes nothing.

    Raises `UsageError` if it names none, or if it needs noise and none is given.
    """
    steps = []
    for part in text.split("+") if text != "clean" else ():
        step, _, value = part.partition("=")
        try:
            number = float(value) if value else 0.0
        except ValueError:
            number = np.nan
        known = step in CODECS and not value
        known |= step == "noise" and bool(value) and -30 <= number <= 60
        known |= step == "loss" and bool(value) and 0 <= number <= 100
        if not known:
            raise UsageError(f"no condition is called {part!r}: use {FORMS}")
        if step == "noise" and noise is None:
            raise UsageError(f"the condition {text} needs noise: give its folder by --noise")
        steps.append((step, number))
    return Condition(text, tuple(steps), noise)
