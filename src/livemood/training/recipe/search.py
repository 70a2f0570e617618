"""What `livemood search` may try."""

from typing import Literal, Self

from pydantic import Field, model_validator

from livemood.training.recipe.base import Section

Value = bool | int | float | str


class SearchSpace(Section):
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


class SearchSection(Section):
    """How `livemood search` looks for a better recipe."""

    sampler: Literal["grid", "random", "tpe", "cmaes", "nsga2"] = "tpe"
    trials: int = Field(30, gt=0)
    cost: bool = False
    """Whether multiply-adds are made few as well: a front of best trade-offs (nsga2, tpe)."""
    prune: bool = True
    """Whether trials that are worse than the median at the same epoch are given up."""
    space: dict[str, SearchSpace] = Field(min_length=1)
    """By the field's place: `fit.learning_rate`, or `augment.waveform.noise.p` by kind."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cost and self.sampler == "cmaes":
            raise ValueError("cmaes knows one aim only: use nsga2")
        steps = [s for s in self.space.values() if s.choices or s.step]
        if self.sampler == "grid" and len(steps) < len(self.space):
            raise ValueError("a grid needs choices or a step for each field")
        return self
