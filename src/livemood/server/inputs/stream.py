"""`/v1/stream`: sound by WebSocket, its events on the same socket."""

import asyncio
import json
import logging

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.errors import LivemoodError
from livemood.server.access.connections import Connections, accept
from livemood.server.access.replies import REFUSALS, as_refused, refuse_socket
from livemood.server.inputs.decoding import open_decoding
from livemood.server.inputs.stream_begin import begun
from livemood.server.inputs.stream_messages import START, Start, parsed
from livemood.server.inputs.taker import Taker
from livemood.server.refused import Refused
from livemood.server.sessions.follow import follow
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.sessions import Sessions

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
                    begun, sessions, principal, session, start, rate
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
