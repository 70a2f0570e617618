"""Against requests that are too large or never end."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livemood.server.access.replies import refuse
from livemood.server.refused import Refused


class BodyLimit:
    """ASGI middleware: a request's body is read whole before it is passed on, or not at all.

    Those to the paths of `streamed` are passed on as they come: their routes look after it.
    """

    def __init__(
        self, app: ASGIApp, most_bytes: int, within_s: float, streamed: frozenset[str] = frozenset()
    ) -> None:
        self._app, self._most, self._within = app, most_bytes, within_s
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole body, or refuse it."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._within):
                body = await self._whole(receive)
        except TimeoutError:
            refused = Refused("too_slow", "the request did not come to its end in time", 408)
        except Refused as error:
            refused = error
        else:
            await self._app(scope, _Replay(body, receive), send)
            return
        await refuse(refused, scope, receive, send)

    async def _whole(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._most:
                raise Refused(
                    "message_too_big", f"a request's body may have {self._most} bytes", 413
                )
            if message["type"] != "http.request" or not message.get("more_body"):
                return bytes(body)


class _Replay:
    """Hands out a body that was read before, then what the connection says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
