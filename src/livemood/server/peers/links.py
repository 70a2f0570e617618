"""How workers ask each other: HTTP and WebSockets over Unix sockets in a folder of their own."""

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h11
from websockets.asyncio.client import connect, unix_connect

SECRET: Final = "x-livemood-secret"  # noqa: S105 - a header's name
"""The header that says who asks: a worker of the same server."""
PRINCIPAL: Final = "x-livemood-principal"
"""The header that says for whom, as JSON: who was let in at the public address."""
ASK_S: Final = 5.0
"""How long a worker may take to answer another."""
PIECE: Final = 65_536

Headers = list[tuple[bytes, bytes]]


@dataclass
class Links:
    """The sockets of a server's workers."""

    folder: Path
    """For its owner alone; so only this user's programs can reach the sockets."""
    secret: str
    """Made anew at each start, so that of those only workers are believed."""

    def path(self, worker: int) -> Path:
        """The socket that a worker listens on."""
        return self.folder / f"{worker}.sock"

    def connection(self, worker: int) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        return _UnixConnection(self.path(worker))

    async def opened(self, worker: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection. Raises `OSError`."""
        return await asyncio.open_unix_connection(str(self.path(worker)))

    def proof(
        self, worker: int, method: str, target: bytes, headers: Headers, body: bytes
    ) -> tuple[str, str]:
        """The header by which a worker knows that another asks."""
        del worker, method, target, headers, body
        return SECRET, self.secret

    def ask(self, worker: int, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer to a POST. Blocks. Raises `OSError`."""
        connection = self.connection(worker)
        content = json.dumps(body).encode()
        try:
            name, value = self.proof(worker, "POST", path.encode(), [], content)
            headers = {name: value, "Host": "localhost"}
            connection.request("POST", path, content, headers)
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said) if said else None
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionError(str(error)) from None
        finally:
            connection.close()

    @asynccontextmanager
    async def request(
        self, worker: int, method: str, target: bytes, headers: Headers, body: bytes
    ) -> AsyncIterator[tuple[h11.Response, AsyncIterator[bytes]]]:
        """The answer of a worker, and its body as it comes. Raises `OSError`."""
        async with asyncio.timeout(ASK_S):
            reader, writer = await self.opened(worker)
        try:
            connection = h11.Connection(h11.CLIENT)
            name, value = self.proof(worker, method, target, headers, body)
            added = [(name.encode(), value.encode()), (b"connection", b"close")]
            added.append((b"content-length", str(len(body)).encode()))
            request = h11.Request(method=method, target=target, headers=[*headers, *added])
            for event in (request, h11.Data(body), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            event = await _next(connection, reader)
            if not isinstance(event, h11.Response):
                raise ConnectionError("a worker went away before it answered")
            yield event, _body(connection, reader)
        finally:
            writer.close()

    def watch(self, worker: int, session: str, after: int | None) -> connect:
        """A WebSocket to a worker that sends a session's events. Raises as `websockets` does."""
        query = "" if after is None else f"?after={after}"
        return unix_connect(
            str(self.path(worker)),
            uri=f"ws://localhost/watch/{session}{query}",
            additional_headers={SECRET: self.secret},
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=ASK_S,
            close_timeout=ASK_S,
        )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ASK_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ASK_S)
        self.sock.connect(str(self._path))


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:  # noqa: ANN401 - h11's
    """The next event of an answer. Raises `ConnectionError` where it is cut off."""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise ConnectionError(str(error)) from None
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(PIECE))
        elif not isinstance(event, h11.InformationalResponse):
            return event


async def _body(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while isinstance(event := await _next(connection, reader), h11.Data):
        yield bytes(event.data)
