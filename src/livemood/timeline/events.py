"""The events of a session, as they go over the wire: JSON text, one event a message."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from livemood.timeline.event_parts import (
    AlertFound,
    ChannelSummary,
    Latency,
    LevelProblem,
    ModelInfo,
    Part,
    SessionSettings,
    Summary,
    Transition,
    is_empty,
    is_none,
)
from livemood.timeline.voice import Voice

__all__ = [
    "EVENT",
    "WALL_CLOCK_FIELDS",
    "Alert",
    "AlertFound",
    "AnyEvent",
    "ChannelSummary",
    "Emotion",
    "ErrorEvent",
    "Event",
    "Fused",
    "Gap",
    "Latency",
    "Level",
    "LevelProblem",
    "Load",
    "Marker",
    "ModelInfo",
    "Observation",
    "Segment",
    "SessionEnded",
    "SessionSettings",
    "SessionStarted",
    "SpeechEnded",
    "SpeechStarted",
    "Summary",
    "Transition",
    "Words",
    "client_notice",
    "parse_event",
    "utc_now",
    "without_wall_clock",
]


class Event(Part):
    """What every event carries."""

    session: str
    """The session it belongs to."""
    channel: int | None = None
    """Channel of the session, from 0; none for events of the whole session."""
    seq: int | None = None
    """Counts up by one for each session, from 1; none for what is said to one client alone."""
    start_ms: int = 0
    """Begin of the sound it speaks of, in ms since the stream began."""
    end_ms: int = 0
    """End of that sound."""
    time: str
    """When it was made: RFC 3339, UTC."""


class SessionStarted(Event):
    """A session began."""

    type: Literal["session.started"] = "session.started"
    source: str
    channels: int
    model: ModelInfo
    settings: SessionSettings
    purpose: str | None = None
    """What the session is for, as its owner declared it."""
    consent: str | None = None
    """Reference to the consent of those who speak."""
    participants: tuple[str, ...] = ()
    """Who speaks on each channel, if the owner named them."""
    not_read: tuple[int, ...] = Field((), exclude_if=is_empty)
    """Channels that are not read, as the owner asked: what is on them counts as silence."""


class SessionEnded(Event):
    """A session ended, and how; the last event of a session."""

    type: Literal["session.ended"] = "session.ended"
    reason: Literal["end", "interrupted", "error"]
    summary: tuple[ChannelSummary, ...]


class SpeechStarted(Event):
    """Somebody began to speak at `start_ms`; known since `end_ms`."""

    type: Literal["speech.started"] = "speech.started"


class SpeechEnded(Event):
    """Somebody spoke from `start_ms` to `end_ms`."""

    type: Literal["speech.ended"] = "speech.ended"


class Emotion(Event):
    """How the window from `start_ms` to `end_ms` sounded."""

    type: Literal["emotion"] = "emotion"
    label: str
    """The smoothed label, or `uncertain`."""
    confidence: float
    """Smoothed probability of the label; of the likeliest one where it is `uncertain`."""
    probabilities: dict[str, float]
    """Smoothed."""
    raw_probabilities: dict[str, float]
    """Of this window alone, calibrated. All alike if it is `unread`."""
    valence: float
    arousal: float
    dominance: float | None = Field(None, exclude_if=is_none)
    """Left out unless the model learnt it from ratings."""
    raw_dimensions: tuple[float, ...] | None = Field(None, exclude_if=is_none)
    """Valence, arousal and maybe dominance of this window alone; left out unless learnt."""
    latency_ms: Latency
    behind: bool
    """Whether the latency budget is being missed."""
    baseline_s: float | None = Field(None, exclude_if=is_none)
    """Seconds of this voice that it was related to; left out if the model uses no baseline."""
    voice: Voice | None = Field(None, exclude_if=is_none)
    """How the voice differs from its usual; left out until enough of it is known. It describes the
    voice. It is not why the model gave the label."""
    not_speech: float | None = Field(None, exclude_if=is_none)
    """Probability that it is no speech; the label is then `uncertain`. Left out if the model
    cannot tell."""
    level: tuple[LevelProblem, ...] | None = Field(None, exclude_if=is_none)
    """What is wrong with the sound: trust the label less. Left out if nothing is."""
    unread: bool | None = Field(None, exclude_if=is_none)
    """Set if the window was not read, since hardly any of it was speech. Its raw probabilities are
    then all alike and say nothing; the label is `uncertain`."""


class Words(Event):
    """What the words from `start_ms` to `end_ms` say, by a transcript; the voice plays no part.

    It comes only where a session takes words.
    """

    type: Literal["words"] = "words"
    label: str
    """The likeliest label, or `uncertain`."""
    confidence: float
    """Probability of the likeliest label."""
    probabilities: dict[str, float]
    """Calibrated."""
    text: str | None = Field(None, exclude_if=is_none)
    """The words themselves: only where the session keeps them, with consent."""


class Observation(Event):
    """What another observer, a camera say, told of the time from `start_ms` to `end_ms`."""

    type: Literal["observation"] = "observation"
    source: str
    """Its name."""
    label: str
    """The likeliest label, or `uncertain`."""
    confidence: float
    """Probability of the likeliest label."""
    probabilities: dict[str, float]
    """As it told them; the less sure it is, the nearer to even odds."""


class Fused(Event):
    """Voice, words and observations from `start_ms` to `end_ms`, joined.

    It follows each `words` and each `observation` event. Those, and `emotion` events, say what each
    source says alone.
    """

    type: Literal["fused"] = "fused"
    label: str
    """The likeliest label, or `uncertain`."""
    confidence: float
    """Probability of the likeliest label."""
    probabilities: dict[str, float]
    valence: float
    """The voice's, if the model learnt it and the voice was heard; else of the probabilities."""
    arousal: float
    """As for valence."""
    sources: tuple[str, ...]
    """What it was made of: `voice`, `words`, names of observers."""


class Segment(Event):
    """A stretch of one label closed."""

    type: Literal["segment"] = "segment"
    label: str
    confidence: float
    """Mean over the stretch."""
    valence: float
    arousal: float


class Gap(Event):
    """Sound from `start_ms` to `end_ms` was lost."""

    type: Literal["gap"] = "gap"
    cause: str
    samples: int
    """Lost samples at 16 kHz."""


class Level(Event):
    """What is wrong with the sound of a channel changed at `end_ms`: too quiet, clipped, dead.

    Two are at least three seconds apart. Speech is judged by its last three seconds, so pauses
    change nothing.
    """

    type: Literal["level"] = "level"
    problems: tuple[LevelProblem, ...]
    """What is wrong from now on; empty when all is well again."""
    speech_db: float | None
    """Level of the last seconds' louder speech, in dB of full scale; none before there is any."""
    noise_db: float | None
    """Level of the faintest tenth of the last ten seconds; none for digital silence."""
    peak_db: float | None
    """The largest sample of the last ten seconds; none for digital silence."""


class Load(Event):
    """The latency budget began to be missed, or is kept again."""

    type: Literal["load"] = "load"
    behind: bool
    latency_ms: float
    """Of the window that decided it."""
    superseded: int
    """Windows of this channel given up so far."""
    hop_ms: int
    """From one window to the next from now on."""


class Marker(Event):
    """Somebody noted something at `start_ms`."""

    type: Literal["marker"] = "marker"
    note: str


class Alert(Event):
    """The conditions of an alert rule have held for long enough, or hold no longer."""

    type: Literal["alert"] = "alert"
    rule: str
    """Name of the rule."""
    state: Literal["raised", "cleared"]
    number: int
    """Counts the alerts of this rule and channel, from 1: with them, it names an alert for good."""
    reason: str
    """One plain line for a person, in English."""
    found: AlertFound | None = Field(None, exclude_if=is_none)
    """The same in parts, for other languages."""


class ErrorEvent(Event):
    """Something went wrong."""

    type: Literal["error"] = "error"
    code: str
    message: str
    fatal: bool
    count: int | None = None
    """How many events this client lost, or has had in vain, where that is the error."""


AnyEvent = Annotated[
    SessionStarted
    | SessionEnded
    | SpeechStarted
    | SpeechEnded
    | Emotion
    | Words
    | Observation
    | Fused
    | Segment
    | Gap
    | Level
    | Load
    | Marker
    | Alert
    | ErrorEvent,
    Field(discriminator="type"),
]
"""Any of the events, told apart by `type`."""


def utc_now() -> str:
    """The time of an event made now: RFC 3339, UTC, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{_utc_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4)
def _utc_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def client_notice(code: str, message: str, count: int | None = None) -> ErrorEvent:
    """An error that concerns one client alone: not numbered, and fatal unless it counts losses."""
    return ErrorEvent(
        session="", time=utc_now(), code=code, message=message, fatal=count is None, count=count
    )


EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

WALL_CLOCK_FIELDS = frozenset({"time", "latency_ms", "behind", "session"})
"""Fields that differ between two runs over the same sound."""


def parse_event(text: str | bytes) -> AnyEvent:
    """The event that a message holds. Raises `pydantic.ValidationError` for anything else."""
    return EVENT.validate_json(text)


def without_wall_clock(event: Event) -> dict[str, Any]:
    """The event as a dict, less what depends on when and where it was made."""
    return event.model_dump(mode="json", exclude=set(WALL_CLOCK_FIELDS))
