"""`/v1/stream`: sound by WebSocket, its events on the same socket."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.audio import AudioBlock
from livemood.errors import LivemoodError
from livemood.server.access.connections import Connections, accept
from livemood.server.access.principal import Principal
from livemood.server.access.replies import REFUSALS, as_refused, refuse_socket
from livemood.server.inputs.decoding import Decode, Encoding, open_decoding
from livemood.server.refused import Refused
from livemood.server.sessions.follow import follow
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import MOST_CHANNELS, Name, Rules, SessionRecord, SessionSpec

log = logging.getLogger(__name__)

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

    @property
    def about(self) -> dict[str, object]:
        """The session that it describes."""
        return self.model_dump(
            exclude={"type", "rate", "encoding", "channels"}, exclude_defaults=True
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
CROWDED_S = 0.01
LAST_SOUND_S = 5.0
"""How long sound that came before its client left may take to be read."""
START: TypeAdapter[Start] = TypeAdapter(Start)
CONTROLS: dict[str, TypeAdapter[Control]] = {
    "marker": TypeAdapter(Mark),
    "transcript": TypeAdapter(Transcript),
    "observation": TypeAdapter(Observed),
    "end": TypeAdapter(End),
}
"""What may follow, by its type; others are counted and passed over."""


def stream_routes(sessions: Sessions, connections: Connections, limits: Limits) -> list[BaseRoute]:
    """The route."""

    async def stream(socket: WebSocket) -> None:
        try:
            principal = connections.enter(socket)
            session = socket.query_params.get("session")
            principal.require("ingest", session=session)
            await accept(socket)
            with connections.held(principal):
                start = await _first(socket, limits.request_s)
                if await _sent_elsewhere(socket, sessions, session):
                    return
                decode, rate = open_decoding(start.encoding, start.rate, start.channels)
                record = await sessions.pools.admission.run(
                    _session, sessions, principal, session, start
                )
                live, opened = await sessions.pools.admission.run(
                    _start, sessions, record.id, start, rate, principal if session is None else None
                )
                taker = Taker(live, sessions, decode)
                await _both_ways(socket, sessions, opened, live, taker)
        except REFUSALS as error:
            refused = as_refused(error)
            sessions.metrics.refused.labels(refused.code).inc()
            await refuse_socket(refused, socket)
        except WebSocketDisconnect:
            pass

    return [WebSocketRoute("/v1/stream", stream)]


async def _sent_elsewhere(socket: WebSocket, sessions: Sessions, session: str | None) -> bool:
    """Whether the producer was told to go to another node, since this one takes no more."""
    here = session is not None and sessions.open(session) is not None
    url = None if here else sessions.peers.elsewhere_url()
    if url is None:
        return False
    query = "" if session is None else f"?session={session}"
    where = f"{url.replace('http', 'ws', 1)}/v1/stream{query}"
    await socket.send_text(json.dumps({"type": "redirect", "url": where}))
    await socket.close(1012, "redirect")
    return True


async def _first(socket: WebSocket, within_s: float) -> Start:
    try:
        async with asyncio.timeout(within_s):
            return _parsed(START, await _receive(socket))
    except TimeoutError:
        raise Refused("too_slow", "no start message came in time", 408) from None


def _session(sessions: Sessions, by: Principal, session: str | None, start: Start) -> SessionRecord:
    """The session that the stream is for: one that was created before, or a new one."""
    if session is None:
        spec = _checked(lambda: SessionSpec.model_validate({"kind": "stream", **start.about}))
        return sessions.create(spec, by)
    record = sessions.record(session)
    by.require_own(session, record.created_by)
    if record.kind != "stream":
        raise Refused("wrong_kind", f"the session is one of kind {record.kind}", 409)
    if start.about:
        raise Refused("bad_request", "what the session is for was said when it was created", 422)
    sessions.adopt(session)
    return record


def _start(
    sessions: Sessions, session: str, start: Start, rate: int, created_by: Principal | None
) -> tuple[LiveSession, OpenSession]:
    """The session's sound begins; `created_by` says who created it by this stream itself."""
    opened = sessions.open(session)
    try:
        live = sessions.start(
            session,
            source=f"stream {start.encoding} {start.rate} Hz",
            sample_rate=rate,
            channels=start.channels,
        )
    except Refused as refused:
        if created_by is not None:
            sessions.withdraw(session, created_by)
        elif opened is not None and refused.code != "already_started":
            sessions.finish(opened, "interrupted")
        raise
    assert opened is not None  # noqa: S101 - it was waiting, or could not have been started
    return live, opened


class Taker:
    """Takes the messages of one stream."""

    NOTE_S = 0.05
    """What a note counts for against the limit of sound ahead of real time."""

    def __init__(self, live: LiveSession, sessions: Sessions, decode: Decode) -> None:
        self._live, self._decode = live, decode
        self._packets = sessions.metrics.packets.labels("stream")
        self._unknown = sessions.metrics.unknown.labels("stream")
        self._at = 0

    def take(self, message: bytes | str) -> None:
        """Take one message. Raises `Refused` if it makes no sense."""
        if isinstance(message, bytes):
            now = time.monotonic()
            self._packets.inc()
            samples = self._decode(message)
            cancelled = bool(getattr(self._decode, "cancels", False))
            self._live.push(AudioBlock(self._at, samples, now, cancelled=cancelled))
            self._at += len(samples)
            return
        control = self._control(message)
        if control is None:
            self._unknown.inc()
            self._live.spend(self.NOTE_S, time.monotonic())
        elif isinstance(control, End):
            self._live.finish()
        elif self._live.spend(self.NOTE_S, time.monotonic()):
            self._note(control)

    def _note(self, control: Mark | Transcript | Observed) -> None:
        if isinstance(control, Mark):
            self._live.mark(control.note)
            return
        where = (control.channel, control.start_ms, control.end_ms)
        if isinstance(control, Transcript):
            self._live.push_transcript(control.text, *where)
        else:
            self._live.observe(control.source, control.labels, control.confidence, *where)

    def _control(self, message: str) -> Control | None:
        """What a message says; none if its type is not known. Raises `Refused` for no JSON."""
        kind = _checked(lambda: KIND.validate_json(message)).type
        if kind == "start":
            raise Refused("bad_request", "a second start message", 422)
        return _parsed(CONTROLS[kind], message) if kind in CONTROLS else None

    @property
    def crowded(self) -> bool:
        """Whether much sound came at once and waits to be read: the next message should wait."""
        return self._live.crowded


async def _both_ways(
    socket: WebSocket, sessions: Sessions, opened: OpenSession, live: LiveSession, taker: Taker
) -> None:
    bringing = asyncio.ensure_future(_bring(socket, live, taker))
    sending = asyncio.ensure_future(follow(socket, sessions, opened.log, 0))
    try:
        await sending
        code, _ = live.failure or (None, "")
        if opened.cut and not code:
            await socket.close(1012, "stopping")  # "service restart": start anew, elsewhere or soon
        else:
            await socket.close(1008 if code else 1000, code or "the session has ended")
    finally:
        if not live.closing:  # the client has gone: what it sent before that is still to be taken
            await asyncio.wait([bringing], timeout=LAST_SOUND_S)
        live.finish("interrupted")
        for task in (bringing, sending):
            task.cancel()
        await asyncio.gather(bringing, sending, return_exceptions=True)


async def _bring(socket: WebSocket, live: LiveSession, taker: Taker) -> None:
    try:
        while not live.closing:
            taker.take(await _receive(socket))
            while taker.crowded and not live.closing:
                await asyncio.sleep(CROWDED_S)
        while True:  # its end was asked for: what still comes is dropped
            await _receive(socket)
    except WebSocketDisconnect:
        live.finish("interrupted")
    except Refused as refused:
        live.finish(failure=str(refused), code=refused.code)
    except LivemoodError:  # a note came as the session ended
        pass
    except Exception:
        log.exception("a stream could not be taken")
        live.finish(failure="something went wrong here", code="internal")


async def _receive(socket: WebSocket) -> bytes | str:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    data: bytes | None = message.get("bytes")
    return data if data is not None else str(message["text"])


def _parsed(adapter: TypeAdapter[T], message: bytes | str) -> T:
    if isinstance(message, bytes):
        raise Refused("bad_request", "the first message must be a start message, in JSON", 400)
    return _checked(lambda: adapter.validate_json(message))


def _checked(read: Callable[[], T]) -> T:
    try:
        return read()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "message"
        raise Refused("bad_request", f"{where}: {first['msg'].lower()}", 422) from None
