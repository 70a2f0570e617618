"""Parts that events are made of."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


def is_none(value: object) -> bool:
    """Whether a field is left out."""
    return value is None


def is_empty(value: object) -> bool:
    """Whether a field is left out."""
    return not value


class Part(BaseModel):
    """Frozen; fields that it does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


LevelProblem = Literal["quiet", "clipped", "dead", "cancelled"]
"""What can be wrong with the sound of a channel.

`quiet`: speech is hardly above the noise, or above the rounding of its samples. `clipped`: it was
too loud for its microphone. `dead`: nothing comes but one value. `cancelled`: two channels of
opposite polarity; the louder one is heard.
"""


class AlertFound(Part):
    """What an alert rule found; what it did not look for is left out."""

    label: str | None = Field(None, exclude_if=is_none)
    """How the speaker sounded."""
    valence: float | None = Field(None, exclude_if=is_none)
    arousal: float | None = Field(None, exclude_if=is_none)
    share: float | None = Field(None, exclude_if=is_none)
    """Which share of the speech of the last `within_s` it takes at least."""
    within_s: float | None = Field(None, exclude_if=is_none)
    silent: bool = Field(False, exclude_if=is_empty)
    """Nobody spoke."""
    overtalk: bool = Field(False, exclude_if=is_empty)
    """People talked over each other."""

    def words(self) -> str:
        """The same in one plain line."""
        if self.silent:
            return "nobody speaks"
        if self.overtalk:
            return "people talk over each other"
        parts = [f"sounds {self.label}"] if self.label is not None else []
        for name, value in (("valence", self.valence), ("arousal", self.arousal)):
            if value is not None:
                parts.append(f"{name} {value:+.2f}")
        text = ", ".join(parts)
        if self.share is None:
            return text
        return f"{text}: {self.share:.0%} of the last {self.within_s:g} s of speech"


class ModelInfo(Part):
    """The model that a session is read by."""

    name: str
    version: str
    precision: str
    provider: str
    labels: tuple[str, ...]
    valence_arousal: str
    """`derived` when valence and arousal follow from the label probabilities; `learnt` when the
    network gives them. Events have them smoothed either way."""


class SessionSettings(Part):
    """The settings that shape a session's events."""

    window_ms: int
    hop_ms: int
    budget_ms: int | None
    """Latency budget; none where windows are never superseded."""
    vad: str


class Transition(Part):
    """How often one label followed another within a stretch of speech."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True
    )

    from_: str = Field(alias="from")
    to: str
    count: int


class Summary(Part):
    """Summary of a span of time."""

    start_ms: int
    end_ms: int
    read_ms: int
    """Speech in it that has a label."""
    dominant: str | None
    """The label with the largest share; none without speech."""
    shares: dict[str, float]
    """Share of `read_ms` for each label that occurs; they sum to 1."""
    mean_probabilities: dict[str, float]
    valence: float | None
    arousal: float | None
    transitions: tuple[Transition, ...]


class ChannelSummary(Part):
    """One channel of a session that ended."""

    channel: int
    duration_ms: int
    speech_ms: int
    gap_ms: int
    windows: int
    """Windows read."""
    superseded: int
    """Windows given up because the machine was behind."""
    level_ms: dict[LevelProblem, int] = Field({}, exclude_if=is_empty)
    """How long each problem with the level lasted; left out if there was none."""
    session: Summary
    last_30s: Summary


class Latency(Part):
    """Milliseconds from the capture of the sound that completed a window to its event.

    That is the last sample of the window. Only where speech pauses, a model that reads in blocks
    leaves out up to one block (240 ms of `default`), so that `end_ms` lies before it.
    """

    total: float
    queue: float
    """Before the network began: capture, transport, gate, waiting."""
    compute: float
    """Features, network and smoothing."""
