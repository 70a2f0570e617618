"""How nodes ask each other: HTTP on an address of their own, each request signed."""

import asyncio
import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from livemood.errors import LivemoodError, reason
from livemood.server.cluster.board import Board
from livemood.server.cluster.sealing import Signer
from livemood.server.peers.links import ASK_S, PRINCIPAL, Headers, Links

SIGNATURE = "x-livemood-signature"
"""The header that proves that a node asks."""


class NodeLinks(Links):
    """The way to other nodes; only where a lease says that they are is anything sent."""

    def __init__(self, board: Board, signer: Signer, ca: Path | None) -> None:
        super().__init__(Path(), "")
        self._board, self._signer = board, signer
        try:
            self._tls = ssl.create_default_context(cafile=str(ca) if ca else None)
        except OSError as error:
            raise LivemoodError(f"cannot read the certificates in {ca}: {reason(error)}") from None

    def _address(self, node: int) -> tuple[str, int, ssl.SSLContext | None]:
        lease = self._board.lease(node)
        if lease is None:
            raise ConnectionError("the node is not known")
        parts = urlsplit(lease.address)
        tls = self._tls if parts.scheme == "https" else None
        return parts.hostname or "", parts.port or 0, tls

    def connection(self, worker: int) -> http.client.HTTPConnection:
        """A connection that is not open yet. Raises `OSError`."""
        host, port, tls = self._address(worker)
        if tls is not None:
            return http.client.HTTPSConnection(host, port, timeout=ASK_S, context=tls)
        return http.client.HTTPConnection(host, port, timeout=ASK_S)

    async def opened(self, worker: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection. Raises `OSError`."""
        host, port, tls = self._address(worker)
        return await asyncio.open_connection(host, port, ssl=tls)

    def proof(
        self, worker: int, method: str, target: bytes, headers: Headers, body: bytes
    ) -> tuple[str, str]:
        """The header by which a node knows that another asks."""
        principal = dict(headers).get(PRINCIPAL.encode(), b"")
        return SIGNATURE, self._signer.sign(
            worker, method, target.decode("latin-1"), principal, body
        )
