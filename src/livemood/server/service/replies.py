"""How requests are refused, on HTTP and on WebSockets."""

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from livemood.server.service.refused import Refused
from livemood.timeline.events import client_notice

CLOSE_CODES = {404: 4404, 409: 1008, 413: 1009, 415: 1003, 429: 1013, 503: 1013}


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
