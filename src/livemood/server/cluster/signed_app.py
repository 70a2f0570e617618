"""The internal API of a node: for the others of its cluster, and for nobody else."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livemood.server.access.replies import refuse
from livemood.server.cluster.links import SIGNATURE
from livemood.server.cluster.sealing import Signer
from livemood.server.peers.links import PRINCIPAL, SECRET
from livemood.server.refused import Refused

MOST_BYTES: Final = 1 << 20


class SignedApp:
    """ASGI application: lets signed requests through to `inner`, which believes by a secret."""

    def __init__(self, inner: ASGIApp, secret: str, signer: Signer, node: int) -> None:
        self._inner, self._secret, self._signer, self._node = inner, secret, signer, node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whoever can sign."""
        body = b""
        more = scope["type"] == "http"
        while more and len(body) <= MOST_BYTES:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if more or scope["type"] != "http" or not self._signed(scope, body):
            refused = Refused("bad_token", "this address is for nodes of the cluster", 401)
            await refuse(refused, scope, receive, send)
            return
        kept = [
            (n, v) for n, v in scope["headers"] if n not in (SIGNATURE.encode(), SECRET.encode())
        ]
        headers = [*kept, (SECRET.encode(), self._secret.encode())]
        passed = {**scope, "headers": headers}
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._inner(passed, again, send)

    def _signed(self, scope: Scope, body: bytes) -> bool:
        headers = dict(scope["headers"])
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        return self._signer.check(
            headers.get(SIGNATURE.encode(), b"").decode("latin-1"),
            self._node,
            scope["method"],
            target.decode("latin-1"),
            headers.get(PRINCIPAL.encode(), b""),
            body,
        )
