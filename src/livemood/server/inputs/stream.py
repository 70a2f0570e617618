"""`/v1/stream`: sound by WebSocket, its events on the same socket."""

import asyncio
import json
import logging
import time

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.audio import AudioBlock
from livemood.errors import LivemoodError
from livemood.server.access.connections import Connections, accept
from livemood.server.access.principal import Principal
from livemood.server.access.replies import REFUSALS, as_refused, refuse_socket
from livemood.server.inputs.decoding import Decode, open_decoding
from livemood.server.inputs.stream_messages import (
    CONTROLS,
    KIND,
    START,
    Control,
    End,
    Mark,
    Observed,
    Start,
    Transcript,
    checked,
    parsed,
)
from livemood.server.refused import Refused
from livemood.server.sessions.follow import follow
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.moving.arriving import Sound, go_on
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import SessionRecord, SessionSpec

log = logging.getLogger(__name__)

CROWDED_S = 0.01
LAST_SOUND_S = 5.0
"""How long sound that came before its client left may take to be read."""


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
                live, opened, had = await sessions.pools.admission.run(
                    _begun, sessions, principal, session, start, rate
                )
                taker = Taker(live, sessions, decode)
                await _both_ways(socket, sessions, opened, live, taker, had)
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


async def _go_on_elsewhere(
    socket: WebSocket, sessions: Sessions, opened: OpenSession, token: str
) -> None:
    """Tell a producer where its session goes on; without an address, where it was before."""
    session = opened.record.id
    told = {"type": "redirect", "session": session, "resume": token, "end_ms": opened.left_ms}
    if (url := sessions.peers.elsewhere_url()) is not None:
        told["url"] = f"{url.replace('http', 'ws', 1)}/v1/stream?session={session}"
    await socket.send_text(json.dumps(told))
    await socket.close(1012, "moved")


async def _first(socket: WebSocket, within_s: float) -> Start:
    try:
        async with asyncio.timeout(within_s):
            return parsed(START, await _receive(socket))
    except TimeoutError:
        raise Refused("too_slow", "no start message came in time", 408) from None


def _begun(
    sessions: Sessions, by: Principal, session: str | None, start: Start, rate: int
) -> tuple[LiveSession, OpenSession, int]:
    """The session's sound begins, or goes on; and the last event that its producer has had."""
    if start.resume is None:
        record = _session(sessions, by, session, start)
        live, opened = _start(sessions, record.id, start, rate, by if session is None else None)
        return live, opened, 0
    if session is None or start.about:
        raise Refused("bad_request", "a session that goes on needs session=ID, and no more", 422)
    sound = Sound(rate, start.channels, start.at_ms)
    return go_on(sessions, session, start.resume, by, sound)


def _session(sessions: Sessions, by: Principal, session: str | None, start: Start) -> SessionRecord:
    """The session that the stream is for: one that was created before, or a new one."""
    if session is None:
        spec = checked(lambda: SessionSpec.model_validate({"kind": "stream", **start.about}))
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
            self._live.hear(control.text, *where)
        else:
            self._live.observe(control.source, control.labels, control.confidence, *where)

    def _control(self, message: str) -> Control | None:
        """What a message says; none if its type is not known. Raises `Refused` for no JSON."""
        kind = checked(lambda: KIND.validate_json(message)).type
        if kind == "start":
            raise Refused("bad_request", "a second start message", 422)
        return parsed(CONTROLS[kind], message) if kind in CONTROLS else None

    @property
    def crowded(self) -> bool:
        """Whether much sound came at once and waits to be read: the next message should wait."""
        return self._live.crowded


async def _both_ways(
    socket: WebSocket,
    sessions: Sessions,
    opened: OpenSession,
    live: LiveSession,
    taker: Taker,
    had: int,
) -> None:
    bringing = asyncio.ensure_future(_bring(socket, live, taker))
    sending = asyncio.ensure_future(follow(socket, sessions, opened.log, had))
    try:
        await sending
        code, _ = live.failure or (None, "")
        if opened.resume is not None:
            await _go_on_elsewhere(socket, sessions, opened, opened.resume)
        elif opened.cut and not code:
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
