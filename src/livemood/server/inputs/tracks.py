"""Messages of Twilio Media Streams, and the sound in them."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from livemood.audio import AudioBlock
from livemood.server.refused import Refused, bad_request
from livemood.server.spec import SessionSpec
from livemood.sources.rtp import STATIC, RtpPacket, RtpStream

RATE = 8000
Track = Literal["inbound", "outbound"]
Number = Annotated[int, Field(ge=0, le=2**53)]


class Format(BaseModel):
    """What the sound is; there is no other yet."""

    encoding: Literal["audio/x-mulaw"]
    sample_rate: Literal[8000] = Field(alias="sampleRate")
    channels: Literal[1]


class Begin(BaseModel):
    """About a stream."""

    tracks: tuple[Track, ...] = Field(("inbound",), min_length=1, max_length=2)
    format: Format = Field(alias="mediaFormat")
    parameters: dict[str, str] = Field({}, alias="customParameters", max_length=50)


class StartMessage(BaseModel):
    """The stream begins."""

    event: Literal["start"]
    start: Begin


class Media(BaseModel):
    """A piece of one track."""

    track: Track = "inbound"
    chunk: Number | None = None
    """Counts the pieces of its track from 1."""
    timestamp: Number
    """Milliseconds since the stream began."""
    payload: str
    """Base64 of mu-law."""


class MediaMessage(BaseModel):
    """Sound."""

    event: Literal["media"]
    media: Media


class OtherMessage(BaseModel):
    """What says nothing of the sound, keys pressed among them; `stop` ends it."""

    event: str

    @property
    def known(self) -> bool:
        """Whether it is one that providers are known to send."""
        return self.event in ("connected", "stop", "mark", "dtmf")


Message = StartMessage | MediaMessage | OtherMessage
_KINDS: dict[str, TypeAdapter[StartMessage] | TypeAdapter[MediaMessage]] = {
    "start": TypeAdapter(StartMessage),
    "media": TypeAdapter(MediaMessage),
}
_OTHER: TypeAdapter[OtherMessage] = TypeAdapter(OtherMessage)


OF_SESSION = (
    "purpose",
    "consent",
    "informed",
    "retention_days",
    "keep_sound",
    "keep_baselines",
    "participants",
)
"""Custom parameters that say what a session is for."""


def parse(text: str) -> Message:
    """One message, of a known event or of any other. Raises `Refused` if it makes no sense."""
    try:
        other = _OTHER.validate_json(text)
        kind = _KINDS.get(other.event)
        return other if kind is None else kind.validate_json(text)
    except ValidationError as error:
        raise bad_request(error.errors()) from None


def spec_of(parameters: dict[str, str]) -> SessionSpec:
    """The session that custom parameters describe. Raises `Refused`.

    Participants are given as names with commas between them.
    """
    fields: dict[str, Any] = {
        n: parameters[n] for n in OF_SESSION if n in parameters and n != "participants"
    }
    names = parameters.get("participants", "")
    fields["participants"] = tuple(name.strip() for name in names.split(",") if name.strip())
    try:
        return SessionSpec.model_validate({"kind": "twilio", **fields})
    except ValidationError as error:
        raise bad_request(error.errors(), "start.customParameters.") from None


class Tracks:
    """The sound of a stream's tracks, each a channel, on the clock of the stream.

    A pure object. Timestamps are of some 20 ms and irregular: pieces follow on each other unless
    the timestamp says otherwise by more than `SLACK_MS`.
    """

    SLACK_MS = 60
    EARLY_MS = 1000
    """A track may say that it begins later than it comes by no more than this."""

    def __init__(self, tracks: tuple[Track, ...], began: float) -> None:
        self._tracks = list(dict.fromkeys(tracks))
        self._began = began
        self._streams: dict[Track, RtpStream] = {}
        self._next: dict[Track, tuple[int, int]] = {}
        """Chunk and timestamp, in samples, that follow on."""

    @property
    def channels(self) -> int:
        """How many tracks there are."""
        return len(self._tracks)

    def push(self, media: Media, now: float) -> list[AudioBlock]:
        """The sound that a piece brings. Raises `Refused` for a track that was not announced."""
        if media.track not in self._tracks:
            raise Refused("bad_track", f"the track {media.track} was not announced", 422)
        try:
            # Line breaks are allowed in it (RFC 2045, section 6.8); nothing else is.
            payload = base64.b64decode("".join(media.payload.split()), validate=True)
        except (binascii.Error, ValueError):
            raise Refused("bad_sound", "media.payload is no base64", 415) from None
        at = media.timestamp * RATE // 1000
        if media.track not in self._streams:
            self._begin(media.track, at, now)
        chunk, due = self._next[media.track]
        number = chunk if media.chunk is None else media.chunk
        missing = (number - chunk) * len(payload)
        if abs(at - due - missing) <= self.SLACK_MS * RATE // 1000:
            at = due + missing
        if number >= chunk:
            self._next[media.track] = (number + 1, at + len(payload))
        packet = RtpPacket(0, False, number & 0xFFFF, at & 0xFFFFFFFF, 0, payload)
        return self._of_one(media.track, packet, now)

    def _begin(self, track: Track, at: int, now: float) -> None:
        latest = round((now - self._began) * RATE) + self.EARLY_MS * RATE // 1000
        begin = min(at, latest)
        if begin <= self.SLACK_MS * RATE // 1000:
            begin = 0
        self._streams[track] = RtpStream(STATIC.sound[0], STATIC, begin)
        self._next[track] = (1, at)

    def _of_one(self, track: Track, packet: RtpPacket, now: float) -> list[AudioBlock]:
        stream, first = self._streams[track], packet.sequence == 1
        channel = self._tracks.index(track)
        blocks = stream.due(now) + stream.push(packet, now)
        return [
            b._replace(channel=channel, gap_cause="absent" if first else b.gap_cause)
            for b in blocks
        ]

    def flush(self) -> list[AudioBlock]:
        """Everything that waits."""
        return [
            block._replace(channel=self._tracks.index(track))
            for track, stream in self._streams.items()
            for block in stream.flush()
        ]
