"""What a producer may say on `/v1/stream`, besides sound."""

from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from livemood.server.inputs.decoding import Encoding
from livemood.server.refused import Refused, bad_request
from livemood.server.spec import MOST_CHANNELS, Name, Rules

T = TypeVar("T")


class Start(BaseModel):
    """The first message: what the sound is, and what it is for.

    What it is for was said before where the stream is that of a session created by REST.
    """

    model_config = ConfigDict(extra="forbid")

    type: Literal["start"]
    rate: int
    encoding: Encoding
    channels: int = Field(1, ge=1, le=MOST_CHANNELS)
    participants: tuple[Name, ...] = ()
    purpose: str | None = None
    consent: str | None = None
    informed: bool = False
    retention_days: float | None = None
    keep_sound: bool = False
    keep_words: bool = False
    keep_baselines: bool = False
    alerts: Rules = ()
    resume: str | None = Field(None, max_length=2000)
    """The token of a session that goes on here, from the `redirect` of the node that left it."""
    at_ms: int | None = Field(None, ge=0)
    """Then: where the sound goes on, in ms of the session; unless it is said, the clock says."""

    @property
    def about(self) -> dict[str, object]:
        """The session that it describes."""
        return self.model_dump(
            exclude={"type", "rate", "encoding", "channels", "resume", "at_ms"},
            exclude_defaults=True,
        )


class Mark(BaseModel):
    """Any time: a note on the timeline, where the sound is now."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["marker"]
    note: str = Field(min_length=1, max_length=1000)


class Transcript(BaseModel):
    """Any time: what was said from `start_ms` to `end_ms` of the sound; see the guide on words."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["transcript"]
    text: str = Field(min_length=1, max_length=2000)
    start_ms: int = Field(ge=0)
    end_ms: int = Field(gt=0)
    channel: int = Field(0, ge=0)


class Observed(BaseModel):
    """Any time: what another observer, a camera say, makes of a stretch of time."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["observation"]
    source: str = Field(min_length=1, max_length=100)
    labels: dict[str, float] = Field(min_length=1, max_length=50)
    confidence: float = Field(1.0, ge=0, le=1)
    start_ms: int = Field(ge=0)
    end_ms: int = Field(gt=0)
    channel: int = Field(0, ge=0)


class End(BaseModel):
    """No more sound will come."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["end"]


Control = Mark | Transcript | Observed | End


class Kind(BaseModel):
    """Any later message: only its type is looked at."""

    type: str


KIND: TypeAdapter[Kind] = TypeAdapter(Kind)
START: TypeAdapter[Start] = TypeAdapter(Start)
CONTROLS: dict[str, TypeAdapter[Control]] = {
    "marker": TypeAdapter(Mark),
    "transcript": TypeAdapter(Transcript),
    "observation": TypeAdapter(Observed),
    "end": TypeAdapter(End),
}
"""What may follow, by its type; others are counted and passed over."""


def parsed(adapter: TypeAdapter[T], message: bytes | str) -> T:
    """What a message in JSON says. Raises `Refused`."""
    if isinstance(message, bytes):
        raise Refused("bad_request", "the first message must be a start message, in JSON", 400)
    return checked(lambda: adapter.validate_json(message))


def checked(read: Callable[[], T]) -> T:
    """What `read` returns; what it does not take is refused in one line. Raises `Refused`."""
    try:
        return read()
    except ValidationError as error:
        raise bad_request(error.errors()) from None
