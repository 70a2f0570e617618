"""`/v1/twilio`: phone calls as a telephony provider forks them, by Twilio Media Streams."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.server.access.access import Access, has_token
from livemood.server.access.connections import Connections, accept
from livemood.server.access.principal import Principal
from livemood.server.access.replies import REFUSALS, as_refused, refuse_socket
from livemood.server.inputs.tracks import (
    OF_SESSION,
    RATE,
    MediaMessage,
    OtherMessage,
    StartMessage,
    Tracks,
    parse,
    spec_of,
)
from livemood.server.refused import Refused
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import LiveSession
from livemood.server.sessions.sessions import Sessions

log = logging.getLogger(__name__)

CROWDED_S = 0.01
UNKNOWN_S = 0.01
"""What a message of an unknown event counts for against the limit of sound ahead of real time."""
START_S = 5.0
"""In which a socket that brought no token must send its start message; providers do at once."""


class Strangers:
    """Sockets that have not said yet who they are. Belongs to the event loop.

    All real calls are among them until their start message, so none is refused because others hold
    the places: the oldest gives way, of the same address if that has its share.
    """

    MOST, MOST_OF_ONE = 64, 32

    def __init__(self) -> None:
        self._there: dict[asyncio.Task[object], str] = {}
        self._pushed_out: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._there)

    @contextmanager
    def held(self, address: str) -> Iterator[None]:
        """Count the socket that this task serves. Raises `Refused` when it has to give way."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - called by coroutines alone
        own = [other for other, whose in self._there.items() if whose == address]
        if len(own) >= self.MOST_OF_ONE:
            self._push_out(own[0])
        elif len(self._there) >= self.MOST:
            self._push_out(next(iter(self._there)))
        self._there[task] = address
        try:
            yield
        except asyncio.CancelledError:
            if task in self._pushed_out:
                task.uncancel()
                raise Refused(
                    "too_many_clients", "no start message came, and others wait", 503, 5
                ) from None
            raise
        finally:
            self._there.pop(task, None)
            self._pushed_out.discard(task)

    def _push_out(self, task: asyncio.Task[object]) -> None:
        del self._there[task]
        self._pushed_out.add(task)
        task.cancel()


def twilio_routes(
    sessions: Sessions, access: Access, connections: Connections, limits: Limits
) -> list[BaseRoute]:
    """The route.

    A provider cannot set headers: the token, and what the session is for, come as custom
    parameters of the start message. Nothing is said on the socket but what went wrong.
    """
    strangers = Strangers()

    async def start_of(socket: WebSocket, known: Principal | None) -> StartMessage:
        if known is not None:
            return await _start(socket, sessions, limits.request_s)
        with strangers.held(socket.client.host if socket.client else ""):
            return await _start(socket, sessions, min(limits.request_s, START_S))

    async def twilio(socket: WebSocket) -> None:
        try:
            known = connections.enter(socket) if has_token(socket) else None
            connections.check_room()
            await accept(socket)
            start = await start_of(socket, known)
            parameters = start.start.parameters
            by = known or access.known(parameters.get("token"), socket)
            by.require("ingest", session=parameters.get("session"))
            with connections.held(by):
                tracks = Tracks(start.start.tracks, time.monotonic())
                live = await sessions.pools.admission.run(_open, sessions, by, parameters, tracks)
                await _take(socket, live, tracks, sessions)
        except REFUSALS as error:
            refused = as_refused(error)
            sessions.metrics.refused.labels(refused.code).inc()
            await refuse_socket(refused, socket)
        except WebSocketDisconnect:
            pass

    return [WebSocketRoute("/v1/twilio", twilio)]


async def _start(socket: WebSocket, sessions: Sessions, within_s: float) -> StartMessage:
    try:
        async with asyncio.timeout(within_s):
            while True:
                message = parse(await _text(socket))
                if isinstance(message, StartMessage):
                    return message
                if isinstance(message, OtherMessage) and not message.known:
                    sessions.metrics.unknown.labels("twilio").inc()
    except TimeoutError:
        raise Refused("too_slow", "no start message came in time", 408) from None


async def _text(socket: WebSocket) -> str:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text: str | None = message.get("text")
    if text is None:
        raise Refused("bad_request", "messages must be JSON text", 400)
    return text


def _open(
    sessions: Sessions, by: Principal, parameters: dict[str, str], tracks: Tracks
) -> LiveSession:
    """The session that the stream is for: one that was created before, or a new one."""
    session = parameters.get("session")
    if session is None:
        record = sessions.create(spec_of(parameters), by)
    else:
        record = sessions.record(session)
        by.require_own(session, record.created_by)
        if record.kind != "twilio":
            raise Refused("wrong_kind", f"the session is one of kind {record.kind}", 409)
        if given := sorted(parameters.keys() & OF_SESSION):
            raise Refused(
                "bad_request",
                f"{', '.join(given)}: what the session is for was said when it was created",
                422,
            )
        sessions.adopt(session)
    try:
        return sessions.start(
            record.id, source="twilio", sample_rate=RATE, channels=tracks.channels
        )
    except Refused:
        if session is None:
            sessions.withdraw(record.id, by)
        raise


async def _while_open(socket: WebSocket, live: LiveSession) -> str | None:
    """The next message; none once the session was ended, here or elsewhere."""
    if live.closing:
        return None
    coming = asyncio.ensure_future(_text(socket))
    try:
        while not coming.done() and not live.closing:
            await asyncio.wait({coming}, timeout=0.5)
        return coming.result() if coming.done() else None
    finally:
        coming.cancel()


async def _take(socket: WebSocket, live: LiveSession, tracks: Tracks, sessions: Sessions) -> None:
    """Take messages until the stream stops, or its session ends."""
    packets = sessions.metrics.packets.labels("twilio")
    unknown = sessions.metrics.unknown.labels("twilio")
    try:
        while (text := await _while_open(socket, live)) is not None:
            message = parse(text)
            if isinstance(message, MediaMessage):
                packets.inc()
                for block in tracks.push(message.media, time.monotonic()):
                    live.push(block)
                while live.crowded and not live.closing:
                    await asyncio.sleep(CROWDED_S)
            elif isinstance(message, StartMessage):
                raise Refused("bad_request", "a second start message", 422)
            elif not message.known:
                unknown.inc()
                live.spend(UNKNOWN_S, time.monotonic())
            elif message.event == "stop":
                for block in tracks.flush():
                    live.push(block)
                live.finish()
    except Refused as refused:
        live.finish(failure=str(refused), code=refused.code)
        raise
    finally:
        live.finish("interrupted")
    if live.failure:
        code, why = live.failure
        raise Refused(code, why, 400)
    await socket.close(1000, "the session has ended")
