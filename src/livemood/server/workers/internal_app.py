"""The internal API of a worker: for the others of its server, and for nobody else."""

import json
from secrets import compare_digest

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.server.access.replies import refuse
from livemood.server.peers.links import PRINCIPAL, SECRET
from livemood.server.peers.relayed import KEY, Caller
from livemood.server.peers.worker_peers import AHEAD, ENDED
from livemood.server.refused import Refused
from livemood.server.serve.watch import while_there
from livemood.server.sessions.follow import send_live
from livemood.server.sessions.sessions import Sessions

ELSEWHERE = 4404
"""Close code of `/watch`: the session is not here, or not any more."""


class InternalApp:
    """The ASGI application on a worker's Unix socket.

    Whoever asks must be able to open the socket, which lies in a folder for this user alone, and
    must know the secret that the supervisor made at its start. `/listed`, `/release` and `/watch`
    are for workers themselves; everything else is a request that another worker relays, and goes
    to the same routes as those that come from outside.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, secret: str) -> None:
        self._app, self._sessions, self._secret = app, sessions, secret
        self.watchers = 0
        """How many sessions are followed from here."""
        self._own = Router(
            [
                Route("/listed", self._listed, methods=["POST"]),
                Route("/release/{session}", self._release, methods=["POST"]),
                WebSocketRoute("/watch/{session}", self._watch),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer who knows the secret."""
        headers = dict(scope["headers"])
        if not compare_digest(headers.get(SECRET.encode(), b""), self._secret.encode()):
            refused = Refused("bad_token", "this socket is for the server's own workers", 401)
            await refuse(refused, scope, receive, send)
        elif scope["path"].startswith("/v1/"):
            scope[KEY] = Caller.from_header(headers[PRINCIPAL.encode()])
            await self._app(scope, receive, send)
        else:
            await self._own(scope, receive, send)

    async def _listed(self, request: Request) -> Response:
        found = (self._sessions.open(session) for session in await request.json())
        return JSONResponse([o.listed.model_dump(mode="json") for o in found if o is not None])

    async def _release(self, request: Request) -> Response:
        session, to = request.path_params["session"], int(await request.json())
        done = await self._sessions.pools.admission.run(self._sessions.release, session, to)
        return JSONResponse(done)

    async def _watch(self, socket: WebSocket) -> None:
        """The events of a session that is open here; first says from which number on."""
        await socket.accept()
        self.watchers += 1
        try:
            await while_there(socket, self._send(socket))
        except WebSocketDisconnect:
            pass
        finally:
            self.watchers -= 1

    async def _send(self, socket: WebSocket) -> None:
        opened = self._sessions.open(socket.path_params["session"])
        if opened is None:
            await socket.close(ELSEWHERE)
            return
        asked = socket.query_params.get("after")
        after = opened.log.last_seq if asked is None else int(asked)
        await socket.send_text(json.dumps({"after": after}))
        try:
            await send_live(socket, self._sessions, opened.log, after)
        except Refused as refused:
            await socket.close(AHEAD, str(refused))
            return
        await socket.close(ELSEWHERE if opened.moved else ENDED)
