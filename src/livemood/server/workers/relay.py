"""Requests for another worker's session, passed to it with the word of who was let in."""

import asyncio
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livemood.server.access.access import Access
from livemood.server.access.replies import refuse
from livemood.server.peers.interface import Peers
from livemood.server.peers.links import Links
from livemood.server.peers.relayed import forwarded, is_relayed
from livemood.server.peers.worker_peers import WorkerPeers
from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions

PREFIXES: Final = ("/v1/sessions/", "/v1/whip/")
"""Paths that go on with a session's id."""
HOP: Final = frozenset({b"connection", b"transfer-encoding", b"keep-alive", b"server", b"date"})
"""Headers of an answer that concern one connection, or that this worker sets itself."""


def session_of(path: str) -> str | None:
    """The session that a path is about; none if it is about no single one."""
    for prefix in PREFIXES:
        if path.startswith(prefix):
            return path.removeprefix(prefix).partition("/")[0] or None
    return None


class Relay:
    """ASGI middleware: passes requests for another worker's session to it.

    Who asks is found out here, what they may do is decided there, by the same routes.
    """

    def __init__(
        self, app: ASGIApp, sessions: Sessions, access: Access, peers: WorkerPeers, links: Links
    ) -> None:
        self._app, self._sessions, self._access = app, sessions, access
        self._peers, self._links = peers, links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, here or there."""
        session = session_of(scope["path"]) if scope["type"] == "http" else None
        if session is None or is_relayed(scope):
            await self._app(scope, receive, send)
            return
        try:
            if await self._sound_from_home(session, scope, receive, send):
                return
            while (owner := _elsewhere(self._sessions, self._peers, session)) is not None:
                if await self._relayed(owner, scope, receive, send):
                    return
                if not await self._peers.until_gone(session, owner):
                    raise Refused("busy", "whoever has the session does not answer", 503, 1)
        except Refused as refused:
            self._sessions.metrics.refused.labels(refused.code).inc()
            await refuse(refused, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _sound_from_home(
        self, session: str, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Whether the request was for sound that another keeps, and was passed to it."""
        if not scope["path"].endswith("/sound"):
            return False
        home = await asyncio.to_thread(self._peers.home, session)
        if home is None:
            return False
        if not await self._relayed(home, scope, receive, send):
            raise Refused("busy", "whoever keeps the sound does not answer", 503, 5)
        return True

    async def _relayed(self, owner: int, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the owner answered. Raises `Refused` for who may not come in at all."""
        caller = self._access.principal(HTTPConnection(scope)).caller
        headers = forwarded(scope, caller)
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        body = (await receive()).get("body", b"")  # it came whole, or not at all
        began = False
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            async with self._links.request(owner, scope["method"], target, headers, body) as got:
                answer, pieces = got
                began = True
                kept = [(n, v) for n, v in answer.headers if n.lower() not in HOP]
                await send(
                    {
                        "type": "http.response.start",
                        "status": answer.status_code,
                        "headers": [(bytes(n), bytes(v)) for n, v in kept],
                    }
                )
                async for piece in pieces:
                    if gone.done():
                        return True
                    await send(_part(piece, more=True))
                await send(_part(b"", more=False))
        except (OSError, TimeoutError):
            if began:
                raise  # cut off in the middle: the client's connection ends as well
            return False
        finally:
            gone.cancel()
        return True


def _elsewhere(sessions: Sessions, peers: Peers, session: str) -> int | None:
    """The other worker that has a session."""
    return None if sessions.open(session) is not None else peers.owner(session)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _part(piece: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": more}
