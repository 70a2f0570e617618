"""Alert rules: what a user writes in TOML, in JSON or in Python."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from livemood.errors import UsageError

VALUES = {"valence": 1, "arousal": 1, "valence_change": 2, "arousal_change": 2}
"""Conditions on values, and how far from 0 each value can be."""


class Range(BaseModel):
    """Values that count: below a limit, above a limit, or between both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    below: float | None = Field(None, ge=-2, le=2)
    above: float | None = Field(None, ge=-2, le=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.below is None and self.above is None:
            raise ValueError("give below, above or both")
        if self.below is not None and self.above is not None and self.above >= self.below:
            raise ValueError("above must be less than below: values between both count")
        return self

    def within(self, limit: float) -> bool:
        """Whether any value from -`limit` to `limit` counts."""
        return (self.below is None or self.below > -limit) and (
            self.above is None or self.above < limit
        )

    def holds(self, value: float, margin: float = 0.0) -> bool:
        """Whether `value` counts; `margin` widens the range on each side that has a limit."""
        return (self.below is None or value < self.below + margin) and (
            self.above is None or value > self.above - margin
        )


class AlertRule(BaseModel):
    """One alert rule.

    Every condition that you give must hold at the same time. Conditions on how a voice sounds
    (`labels`, `valence`, `arousal`, `valence_change`, `arousal_change`) look at `emotion` events.
    `silent` and `overtalk` look at who speaks when; they stand alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    channel: int | None = Field(None, ge=0)
    """The channel it looks at; by default each channel by itself."""
    labels: frozenset[str] = frozenset()
    """The smoothed label must be one of these."""
    min_confidence: float = Field(0.0, ge=0, le=1)
    """A label counts only with at least this confidence."""
    valence: Range | None = None
    arousal: Range | None = None
    valence_change: Range | None = None
    """Valence less its mean over all that this channel said before."""
    arousal_change: Range | None = None
    silent: bool = False
    """Nobody speaks on the channel; without `channel`, nobody on any channel."""
    overtalk: bool = False
    """At least two channels speak at once."""
    for_s: float = Field(0.0, ge=0, le=86_400)
    """How long the conditions must hold, in seconds; pauses up to `max_pause_s` do not break it."""
    share: float | None = Field(None, gt=0, le=1)
    """In place of `for_s`: the share of the speech of the last `within_s` seconds."""
    within_s: float = Field(60.0, gt=0, le=3600)
    max_pause_s: float = Field(5.0, ge=0, le=3600)
    """A pause in speech longer than this ends a run that `for_s` counts."""
    clear_after_s: float = Field(3.0, ge=0, le=3600)
    """An alert is cleared when its conditions have not held for so long."""
    cool_down_s: float = Field(60.0, ge=0, le=86_400)
    """After an alert was raised, the same rule is silent on that channel for so long."""
    margin: float = Field(0.05, ge=0, le=1)
    """Hysteresis of valence and arousal: once held, a limit must be passed back by so much."""
    purposes: frozenset[str] = frozenset()
    """Sessions of these purposes only; none means all."""

    @property
    def of_voices(self) -> bool:
        """Whether it looks at how a voice sounds, not only at who speaks when."""
        ranges = (self.valence, self.arousal, self.valence_change, self.arousal_change)
        return bool(self.labels) or any(limits is not None for limits in ranges)

    @field_serializer("labels", "purposes", when_used="json")
    def _in_order(self, names: frozenset[str]) -> list[str]:
        """The same rule is the same text, in every process."""
        return sorted(names)

    @model_validator(mode="after")
    def _check(self) -> Self:
        sounds = self.of_voices
        if sounds + self.silent + self.overtalk != 1:
            raise ValueError(
                "give conditions on how a voice sounds (labels, valence, arousal, ..._change), or "
                "silent, or overtalk"
            )
        for name, most in VALUES.items():
            limits: Range | None = getattr(self, name)
            if limits is not None and not limits.within(most):
                raise ValueError(f"{name} lies between -{most} and {most}: this never holds")
        if self.share is not None and not sounds:
            raise ValueError("share counts speech: use for_s with silent and overtalk")
        if self.share is not None and self.for_s:
            raise ValueError("give for_s or share, not both")
        if self.overtalk and self.channel is not None:
            raise ValueError("overtalk looks at all channels: leave channel out")
        if self.silent and not self.for_s:
            raise ValueError("silent needs for_s: every pause is silent for a moment")
        return self


class AlertRules(BaseModel):
    """The rules of a session, of a server, or of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alerts: tuple[AlertRule, ...] = Field((), max_length=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [rule.name for rule in self.alerts]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two rules have the name {min(twice)!r}")
        return self

    def check_labels(self, labels: tuple[str, ...]) -> None:
        """Raise `UsageError` if a rule waits for a label that the model cannot give."""
        known = {*labels, "uncertain"}
        for rule in self.alerts:
            if unknown := rule.labels - known:
                raise UsageError(
                    f"alert {rule.name!r} waits for {min(unknown)!r}, which the model never says: "
                    f"use {', '.join(sorted(known))}"
                )

    def for_purpose(self, purpose: str | None) -> tuple[AlertRule, ...]:
        """The rules that hold in a session of `purpose`."""
        return tuple(r for r in self.alerts if not r.purposes or purpose in r.purposes)
