"""The events of a session, as they go over the wire: JSON text, one event a message."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from livemood.timeline.voice import Voice


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: object) -> bool:
    return not value


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(_Part):
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


LevelProblem = Literal["quiet", "clipped", "dead", "cancelled"]
"""What can be wrong with the sound of a channel.

`quiet`: speech is hardly above the noise, or above the rounding of its samples. `clipped`: it was
too loud for its microphone. `dead`: nothing comes but one value. `cancelled`: two channels of
opposite polarity; the louder one is heard.
"""


class ModelInfo(_Part):
    """The model that a session is read by."""

    name: str
    version: str
    precision: str
    provider: str
    labels: tuple[str, ...]
    valence_arousal: str
    """`derived` when valence and arousal follow from the label probabilities."""


class SessionSettings(_Part):
    """The settings that shape a session's events."""

    window_ms: int
    hop_ms: int
    budget_ms: int | None
    """Latency budget; none where windows are never superseded."""
    vad: str


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


class Transition(_Part):
    """How often one label followed another within a stretch of speech."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True
    )

    from_: str = Field(alias="from")
    to: str
    count: int


class Summary(_Part):
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


class ChannelSummary(_Part):
    """One channel of a session that ended."""

    channel: int
    duration_ms: int
    speech_ms: int
    gap_ms: int
    windows: int
    """Windows read."""
    superseded: int
    """Windows given up because the machine was behind."""
    level_ms: dict[LevelProblem, int] = Field({}, exclude_if=_is_empty)
    """How long each problem with the level lasted; left out if there was none."""
    session: Summary
    last_30s: Summary


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


class Latency(_Part):
    """Milliseconds from the capture of a window's last sample to its event."""

    total: float
    queue: float
    """Before the network began: capture, transport, gate, waiting."""
    compute: float
    """Features, network and smoothing."""


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
    """Of this window alone, calibrated."""
    valence: float
    arousal: float
    latency_ms: Latency
    behind: bool
    """Whether the latency budget is being missed."""
    baseline_s: float | None = Field(None, exclude_if=_is_none)
    """Seconds of this voice that it was related to; left out if the model uses no baseline."""
    voice: Voice | None = Field(None, exclude_if=_is_none)
    """How the voice differs from its usual; left out until enough of it is known. It describes the
    voice. It is not why the model gave the label."""
    not_speech: float | None = Field(None, exclude_if=_is_none)
    """Probability that it is no speech; the label is then `uncertain`. Left out if the model
    cannot tell."""
    level: tuple[LevelProblem, ...] | None = Field(None, exclude_if=_is_none)
    """What is wrong with the sound: trust the label less. Left out if nothing is."""


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
    """One plain line for a person."""


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
