"""What is said of a session: by who creates it, and to who asks for it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from livemood.timeline.alert_rules import AlertRule
from livemood.timeline.events import SessionEnded, utc_now
from livemood.timeline.moods import Mood


def _says_something(text: str) -> str:
    if not any(letter.isalnum() for letter in text):
        raise ValueError("say where the consent is kept: blanks and signs are no reference")
    return text


Kind = Literal["stream", "rtp", "twilio", "whip", "recording"]
State = Literal["waiting", "live", "ended"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Reference = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(_says_something),
]
Rules = Annotated[tuple[AlertRule, ...], Field(max_length=20)]
MOST_CHANNELS = 8


class SessionSpec(BaseModel):
    """What the creator of a session states about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    """How its sound comes."""
    participants: tuple[Name, ...] = Field((), max_length=MOST_CHANNELS)
    """Who speaks, by name: one for each channel, or none."""
    purpose: str = Field(min_length=1, max_length=100)
    """What it is for: one of those that the policy allows."""
    consent: Reference | None = None
    """Reference to the consent of those who speak."""
    informed: bool = False
    """Whether those who speak were told; a consent says so, too."""
    retention_days: float | None = Field(None, gt=0, le=36500)
    """How long it is kept after its end; by default as the server is set."""
    keep_sound: bool = False
    """Whether its sound is kept, too; needs consent."""
    keep_words: bool = False
    """Whether the words of transcripts are kept in its events; needs consent."""
    keep_baselines: bool = False
    """Whether each participant's baseline is kept for their next session; needs consent.

    One that was kept before, for the same purpose and by the same creator, is used.
    """
    alerts: Rules = ()
    """Alert rules of this session alone, besides the server's."""


class SessionRecord(BaseModel):
    """A session, as the server knows it."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    state: State
    source: str | None
    """Where its sound comes from; none before it does."""
    created: str
    """When it was created: RFC 3339, UTC."""
    started: str | None = None
    """When its sound began."""
    ended: str | None = None
    duration_ms: int = 0
    """How long its sound is, or is so far."""
    participants: tuple[str, ...] = ()
    purpose: str
    consent: str | None = None
    informed: bool = False
    retention_days: float
    keep_sound: bool = False
    keep_words: bool = False
    keep_baselines: bool = False
    alerts: Rules = ()
    channels: int = 0
    labels: tuple[str | None, ...] = ()
    """For each channel what it sounds like now; of an ended session, the dominant label."""
    moods: tuple[Mood | None, ...] = ()
    """For each channel of a live session how it sounds, where a list of sessions is asked for."""
    behind: bool = False
    """Whether its latency budget is being missed."""
    reason: str | None = None
    """How it ended: `end`, `interrupted` or `error`; `unused` where no sound came."""
    created_by: str
    """The token that created it, by number; `local` without one."""


def begun_fields(source: str, channels: int) -> dict[str, object]:
    """What the beginning of a session's sound, now, changes in its record."""
    began = {"state": "live", "source": source, "channels": channels, "started": utc_now()}
    return began | {"labels": (None,) * channels}


def ended_fields(event: SessionEnded) -> dict[str, object]:
    """What the end of a session changes in its record."""
    return {
        "state": "ended",
        "ended": event.time,
        "duration_ms": event.end_ms,
        "reason": event.reason,
        "labels": tuple(summary.session.dominant for summary in event.summary),
        "behind": False,
    }
