"""Augmentation of the waveform: which changes there are, and their settings in a recipe."""

from typing import Final, Self

from pydantic import Field, model_validator

from livemood.training.recipe.base import Section
from livemood.training.recipe.renamed import RENAMED_KINDS

KINDS: Final = {
    "time_shift": (-0.1, 0.1, -1, 1),
    "time_stretch": (0.85, 1.15, 0.3, 3),
    "speed": (0.9, 1.1, 0.5, 2),
    "reverse": (0, 0, 0, 0),
    "gain": (-10, 10, -60, 40),
    "gain_transition": (-8, 6, -40, 40),
    "pitch_shift": (-3, 3, -24, 24),
    "frequency_shift": (-60, 60, -1000, 1000),
    "noise": (5, 25, -20, 60),
    "background_speech": (10, 25, -20, 60),
    "reverberation": (0.15, 0.6, 0.1, 2),
    "time_mask": (0.02, 0.15, 0.001, 0.9),
    "frequency_mask": (0.2, 0.8, 0.01, 1.9),
    "tilt": (-6, 6, -30, 30),
    "telephone": (0, 0, 0, 0),
    "opus": (8, 24, 6, 128),
    "packet_loss": (1, 10, 0, 90),
}
"""Kinds of changes of sound: the range drawn from by default, and the widest that is allowed.

Shares of the length (time_shift, time_mask), factors (time_stretch, speed), dB (gain,
gain_transition, tilt; noise and background_speech: signal to noise), semitones (pitch_shift), Hz
(frequency_shift), seconds of reverberation RT60, fractions of the centre frequency
(frequency_mask), kbit/s (opus), percent of packets (packet_loss). `telephone` is G.711 of either
law at 8 kHz.
"""


class WaveformChange(Section):
    """One change of the sound of training examples."""

    kind: str
    """One of `KINDS`."""
    p: float = Field(0.5, ge=0, le=1)
    """How often it happens."""
    low: float | None = None
    high: float | None = None
    """The range that its value is drawn from; what it means, and the default, is in `KINDS`."""

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value."""
        low, high, *_ = KINDS[self.kind]
        return (
            low if self.low is None else self.low,
            high if self.high is None else self.high,
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if new := RENAMED_KINDS.get(self.kind):
            raise ValueError(f"the change {self.kind} is now called {new}")
        if self.kind not in KINDS:
            raise ValueError(f"no change of sound is called {self.kind!r}: {', '.join(KINDS)}")
        *_, least, most = KINDS[self.kind]
        low, high = self.range
        if not least <= low <= high <= most:
            raise ValueError(f"{self.kind} takes a range within {least:g} to {most:g}")
        return self
