"""`/v1/timeline`: the route by which sessions are watched."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from livemood.server.access.connections import Connections, accept
from livemood.server.access.replies import refuse_socket
from livemood.server.refused import Refused, unreadable
from livemood.server.sessions.follow import send_from
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.interface import StorageError


def watch_routes(sessions: Sessions, connections: Connections) -> list[BaseRoute]:
    """The route."""

    async def timeline(socket: WebSocket) -> None:
        try:
            principal = connections.enter(socket)
            session = socket.query_params.get("session")
            if session is None:
                raise Refused("bad_request", "say which: /v1/timeline?session=ID", 400)
            principal.require("watch", "manage", session=session)
            record = await sessions.pools.admission.run(sessions.record, session)
            after = _after(socket)
            note = sessions.storage.audit.note
            await sessions.pools.admission.run(note, principal.name, "watch", record.id)
            await accept(socket)
            with connections.held(principal):
                await while_there(socket, send_from(socket, sessions, record.id, after))
        except (Refused, StorageError) as error:
            refused = error if isinstance(error, Refused) else unreadable()
            sessions.metrics.refused.labels(refused.code).inc()
            await refuse_socket(refused, socket)

    return [WebSocketRoute("/v1/timeline", timeline)]


def _after(socket: WebSocket) -> int | None:
    asked = socket.query_params.get("after")
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= 15):
        raise Refused("bad_request", "after must be a sequence number, a whole number from 0", 400)
    return int(asked)


async def while_there(socket: WebSocket, sending: Coroutine[Any, Any, None]) -> None:
    """Send until everything is sent or the client has gone; what it says is dropped."""
    gone = asyncio.ensure_future(_until_gone(socket))
    send = asyncio.ensure_future(sending)
    try:
        await asyncio.wait({gone, send}, return_when=asyncio.FIRST_COMPLETED)
        if send.done():
            send.result()
    finally:
        for task in (gone, send):
            task.cancel()
        await asyncio.gather(gone, send, return_exceptions=True)


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
