"""From noisy window readings to steady ones.

Labels go through an HMM forward filter, then hysteresis; dimensions that a network learnt through
a mean that forgets as that filter does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from livemood.model.labels import UNCERTAIN

Distribution = NDArray[np.float64]


class SmootherSettings(BaseModel):
    """Settings of the smoother."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dwell_s: float = Field(default=4.0, gt=0, le=600)
    """How long an emotion lasts on average, where `dwells_s` does not say."""
    dwells_s: dict[str, float] = {}
    """The same for single labels."""
    evidence_s: float = Field(default=0.5, gt=0, le=30)
    """New sound that weighs as much as one independent reading.

    Windows overlap, so their readings repeat each other; counting each in full would make the
    filter far too sure.
    """
    enter: float = Field(default=0.45, gt=0, lt=1)
    """Probability from which a label is taken."""
    leave: float = Field(default=0.35, gt=0, lt=1)
    """Probability below which the current label is given up."""
    margin: float = Field(default=0.1, ge=0, lt=1)
    """How far another label must be ahead of the current one to replace it."""

    @model_validator(mode="after")
    def _check(self) -> "SmootherSettings":
        if self.leave > self.enter:
            raise ValueError("leave must not exceed enter")
        if any(dwell <= 0 for dwell in self.dwells_s.values()):
            raise ValueError("dwell times must be above 0")
        return self


@dataclass(frozen=True, slots=True)
class SmoothedReading:
    """The smoother's output after a window."""

    label: str
    confidence: float
    probabilities: Distribution
    """Shape (labels,), summing to 1."""


class Smoother:
    """A hidden Markov forward filter over labels (Rabiner 1989), with hysteresis on the label.

    A pure object: pushed the reading of a window and how much time and new sound it brings. The
    state is what the voice sounds like; it stays with probability exp(-dt / dwell), or is drawn
    anew by the priors, so that a long silence leaves nothing else. The network gives posteriors;
    divided by their priors they are scaled likelihoods (Bourlard & Morgan 1994).
    """

    def __init__(
        self, labels: Sequence[str], priors: ArrayLike, settings: SmootherSettings
    ) -> None:
        self._labels = tuple(labels)
        shares = np.asarray(priors, np.float64)
        if shares.shape != (len(self._labels),) or not (shares > 0).all():
            raise ValueError("each label needs a prior above 0")
        # Plain floats: for seven labels arrays cost more than what they compute.
        self._priors: list[float] = (shares / shares.sum()).tolist()
        self._settings = settings
        self._dwells = [settings.dwells_s.get(x, settings.dwell_s) for x in labels]
        self._leaving: tuple[float, list[float]] = (0.0, [0.0] * len(self._labels))
        self._belief: list[float] = self._priors
        self._label = UNCERTAIN

    def reset(self) -> None:
        """Forget all readings so far."""
        self._belief = self._priors
        self._label = UNCERTAIN

    def update(self, probabilities: ArrayLike, elapsed_s: float, new_s: float) -> SmoothedReading:
        """Take the reading of a window.

        `probabilities`, shape (labels,), sum to 1. `elapsed_s` is the time since the last window's
        end; `new_s` is how much sound of this window no window before it had.
        """
        raw: list[float] = np.asarray(probabilities, np.float64).tolist()
        predicted = self._predict(max(0.0, elapsed_s))
        weight = min(1.0, max(0.0, new_s) / self._settings.evidence_s)
        # Evidence is bounded, so that no single reading can rule a label out for good.
        belief = [
            b * float(max(r / p, 1e-3) ** weight)
            for b, r, p in zip(predicted, raw, self._priors, strict=True)
        ]
        total = sum(belief)
        self._belief = [b / total for b in belief]
        best = max(range(len(belief)), key=self._belief.__getitem__)
        self._label = self._decide(best)
        confidence = self._of(self._label) if self._label != UNCERTAIN else self._belief[best]
        return SmoothedReading(self._label, confidence, np.array(self._belief))

    def abstain(self, elapsed_s: float) -> SmoothedReading:
        """Take a window that says nothing of emotions: time passes, and the label is given up.

        `elapsed_s` is the time since the last window's end.
        """
        self._belief = self._predict(max(0.0, elapsed_s))
        self._label = UNCERTAIN
        return SmoothedReading(UNCERTAIN, max(self._belief), np.array(self._belief))

    def _predict(self, elapsed_s: float) -> list[float]:
        if self._leaving[0] != elapsed_s:  # nearly always one hop
            self._leaving = (elapsed_s, [-math.expm1(-elapsed_s / d) for d in self._dwells])
        left: list[float] = [b * x for b, x in zip(self._belief, self._leaving[1], strict=True)]
        total = sum(left)
        return [b - x + total * p for b, x, p in zip(self._belief, left, self._priors, strict=True)]

    def _decide(self, best: int) -> str:
        s = self._settings
        candidate, likeliest = self._labels[best], self._belief[best]
        if self._label == UNCERTAIN:
            return candidate if likeliest >= s.enter else UNCERTAIN
        current = self._of(self._label)
        if likeliest >= s.enter and likeliest - current >= s.margin:
            return candidate
        return self._label if current >= s.leave else UNCERTAIN

    def _of(self, label: str) -> float:
        return self._belief[self._labels.index(label)]


class DimensionSmoother:
    """A mean of valence, arousal and maybe dominance, as a network reads them, that forgets.

    A pure object. Readings weigh as in `Smoother`: by the new sound that they bring, as far as
    `evidence_s`, and less the longer ago they are, by exp(-t / dwell_s). So the first reading is
    taken as it is, and little is left of what was heard before a long silence.
    """

    def __init__(self, settings: SmootherSettings) -> None:
        self._dwell_s, self._evidence_s = settings.dwell_s, settings.evidence_s
        self._weight = 0.0
        self._means: tuple[float, ...] = ()

    def update(self, values: Sequence[float], elapsed_s: float, new_s: float) -> tuple[float, ...]:
        """Take what a window's dimensions are, each in [-1, 1]; the means after it, as many.

        `values` are empty for a window that says nothing of them: the means stay, empty before the
        first reading. `elapsed_s` is the time since the last window's end; `new_s` is how much
        sound of this window no window before it had.
        """
        self._weight *= math.exp(-max(0.0, elapsed_s) / self._dwell_s)
        if not values:
            return self._means
        new = min(1.0, max(0.0, new_s) / self._evidence_s)
        if not self._means:
            self._weight, self._means = new, tuple(values)
        elif new:
            self._weight += new
            share = new / self._weight
            self._means = tuple(
                mean + share * (value - mean)
                for mean, value in zip(self._means, values, strict=True)
            )
        return self._means
