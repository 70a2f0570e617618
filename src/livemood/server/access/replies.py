"""How requests are refused, on HTTP and on WebSockets, and how routes describe that."""

from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from livemood.server.refused import Refused, unreadable
from livemood.server.storage.interface import StorageError
from livemood.timeline.events import client_notice

SessionId = Annotated[str, Path(max_length=64, description="The session's id.")]
REFUSALS: Final = (Refused, StorageError)
"""What a socket is closed for with an answer."""
CLOSE_CODES = {404: 4404, 409: 1008, 413: 1009, 415: 1003, 429: 1013, 503: 1013}


class ErrorBody(BaseModel):
    """Why a request was refused."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """Every answer that is an error."""

    error: ErrorBody


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its description."""
    return {code: {"model": ErrorAnswer} for code in sorted({400, 401, 403, 413, 422, 429, *codes})}


def as_refused(error: Refused | StorageError) -> Refused:
    """What a client is told of an error."""
    return error if isinstance(error, Refused) else unreadable()


def reply(refused: Refused) -> JSONResponse:
    """The answer to a refused request."""
    return JSONResponse(refused.body(), refused.status, refused.headers())


async def refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with what it is refused for; a WebSocket before its handshake."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(reply(refused))
    else:
        await reply(refused)(scope, receive, send)


async def refuse_socket(refused: Refused, socket: WebSocket) -> None:
    """The same for a WebSocket at any time: after its handshake, an `error` event and a close."""
    if socket.client_state is WebSocketState.CONNECTING:
        await socket.send_denial_response(reply(refused))
        return
    try:
        notice = client_notice(refused.code, str(refused))
        await socket.send_text(notice.model_dump_json())
        await socket.close(CLOSE_CODES.get(refused.status, 1008), refused.code)
    except (WebSocketDisconnect, RuntimeError):  # it has gone
        pass


class NoStore:
    """ASGI middleware: nobody is to keep what the API answers, or to guess what it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its answer gets headers that it lacks."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        await self._app(scope, receive, answer if scope["type"] == "http" else send)
