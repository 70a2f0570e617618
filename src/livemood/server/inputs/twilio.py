"""`/v1/twilio`: phone calls as a telephony provider forks them, by Twilio Media Streams."""

import asyncio
import logging
import time

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.server.access.access import Access, has_token
from livemood.server.access.connections import Connections, accept
from livemood.server.access.principal import Principal
from livemood.server.access.replies import refuse_socket
from livemood.server.inputs.tracks import RATE, MediaMessage, StartMessage, Tracks, parse, spec_of
from livemood.server.refused import Refused
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import LiveSession
from livemood.server.sessions.sessions import Sessions

log = logging.getLogger(__name__)

UNKNOWN = 64
"""Most sockets that have not said yet who they are."""


def twilio_routes(
    sessions: Sessions, access: Access, connections: Connections, limits: Limits
) -> list[BaseRoute]:
    """The route.

    A provider cannot set headers: the token, and what the session is for, come as custom
    parameters of the start message. Nothing is said on the socket but what went wrong.
    """
    unknown = 0

    async def twilio(socket: WebSocket) -> None:
        nonlocal unknown
        try:
            known = connections.enter(socket) if has_token(socket) else None
            strangers = 0 if known else 1
            if strangers and unknown >= UNKNOWN:
                raise Refused("too_many_clients", "as many clients as are allowed", 503, 5)
            connections.check_room()
            await accept(socket)
            unknown += strangers
            try:
                start = await _start(socket, limits.request_s)
            finally:
                unknown -= strangers
            parameters = start.start.parameters
            by = known or access.known(parameters.get("token"), socket)
            with connections.held(by):
                tracks = Tracks(start.start.tracks, time.monotonic())
                live = await run_in_threadpool(_open, sessions, by, parameters, tracks)
                await _take(socket, live, tracks, sessions)
        except Refused as refused:
            sessions.metrics.refused.labels(refused.code).inc()
            await refuse_socket(refused, socket)
        except WebSocketDisconnect:
            pass

    return [WebSocketRoute("/v1/twilio", twilio)]


async def _start(socket: WebSocket, within_s: float) -> StartMessage:
    try:
        async with asyncio.timeout(within_s):
            while True:
                message = parse(await _text(socket))
                if isinstance(message, StartMessage):
                    return message
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
    by.require("ingest", session=session)
    if session is None:
        record = sessions.create(spec_of(parameters), by)
    else:
        record = sessions.record(session)
        by.require_own(session, record.created_by)
        if record.kind != "twilio":
            raise Refused("wrong_kind", f"the session is one of kind {record.kind}", 409)
    try:
        return sessions.start(
            record.id, source="twilio", sample_rate=RATE, channels=tracks.channels
        )
    except Refused:
        if session is None and (opened := sessions.open(record.id)) is not None:
            sessions.finish(opened, "interrupted")
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
    try:
        while (text := await _while_open(socket, live)) is not None:
            message = parse(text)
            if isinstance(message, MediaMessage):
                packets.inc()
                for block in tracks.push(message.media, time.monotonic()):
                    live.push(block)
            elif isinstance(message, StartMessage):
                raise Refused("bad_request", "a second start message", 422)
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
