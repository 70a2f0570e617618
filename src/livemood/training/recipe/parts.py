"""Parts of a recipe that stand on their own: changes of sound, and what a search may try."""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Part(BaseModel):
    """Frozen; fields that it does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


KINDS: Final = {
    "time_shift": (-0.1, 0.1, -1, 1),
    "time_stretch": (0.85, 1.15, 0.3, 3),
    "speed": (0.9, 1.1, 0.5, 2),
    "reverse": (0, 0, 0, 0),
    "gain": (-10, 10, -60, 40),
    "jitter": (-8, 6, -40, 40),
    "pitch_shift": (-3, 3, -24, 24),
    "frequency_shift": (-60, 60, -1000, 1000),
    "noise": (5, 25, -20, 60),
    "mixing": (10, 25, -20, 60),
    "reverberation": (0.15, 0.6, 0.1, 2),
    "time_mask": (0.02, 0.15, 0.001, 0.9),
    "frequency_mask": (0.2, 0.8, 0.01, 1.9),
    "tilt": (-6, 6, -30, 30),
    "telephone": (0, 0, 0, 0),
    "opus": (8, 24, 6, 128),
    "losses": (1, 10, 0, 90),
}
"""Kinds of changes of sound: the range drawn from by default, and the widest that is allowed.

Shares of the length (time_shift, time_mask), factors (time_stretch, speed), dB (gain, jitter, tilt;
noise and mixing: signal to noise), semitones (pitch_shift), Hz (frequency_shift), seconds
of reverberation RT60, fractions of the centre frequency (frequency_mask), kbit/s (opus), percent of
packets (losses). `telephone` is G.711 of either law at 8 kHz.
"""


class SoundPart(Part):
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
        if self.kind not in KINDS:
            raise ValueError(f"no change of sound is called {self.kind!r}: {', '.join(KINDS)}")
        *_, least, most = KINDS[self.kind]
        low, high = self.range
        if not least <= low <= high <= most:
            raise ValueError(f"{self.kind} takes a range within {least:g} to {most:g}")
        return self


Value = bool | int | float | str


class SpacePart(Part):
    """What one field of the recipe may be: one of `choices`, or a number from `low` to `high`."""

    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    """Whole numbers if all three are."""
    log: bool = False
    """Whether numbers are drawn evenly by their logarithm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        ranged = self.low is not None and self.high is not None and self.low < self.high
        if ranged == bool(self.choices):
            raise ValueError("give either choices, or low and high")
        return self


class SearchPart(Part):
    """How `livemood search` looks for a better recipe."""

    sampler: Literal["grid", "random", "tpe", "cmaes", "nsga2"] = "tpe"
    trials: int = Field(30, gt=0)
    cost: bool = False
    """Whether multiply-adds are made few as well: a front of best trade-offs (nsga2, tpe)."""
    prune: bool = True
    """Whether trials that are worse than the median at the same epoch are given up."""
    space: dict[str, SpacePart] = Field(min_length=1)
    """By the field's place: `fit.learning_rate`, or `augment.sound.noise.p` by kind."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cost and self.sampler == "cmaes":
            raise ValueError("cmaes knows one aim only: use nsga2")
        steps = [s for s in self.space.values() if s.choices or s.step]
        if self.sampler == "grid" and len(steps) < len(self.space):
            raise ValueError("a grid needs choices or a step for each field")
        return self
