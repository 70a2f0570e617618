"""Sends sound to a server of many sessions, and goes on where the server says."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from livemood.audio import to_samples
from livemood.client import is_cut_off, refusal
from livemood.errors import ConnectError, ProtocolError, UsageError
from livemood.timeline.events import AnyEvent, ErrorEvent, SessionEnded
from livemood.timeline.lenient import parse_known_event

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PATH: Final = "/v1/stream"
KEPT_S: Final = 4.0
"""Sound kept to be sent again; a server takes five seconds ahead of time."""
FIRST_WAIT_S, PATIENCE_S = 0.05, 4.0
"""Between attempts to reach the server that a session goes on at; and for how long."""
REDIRECT: Final = '"redirect"'


class Producer:
    """Sends sound to `livemood serve`, a session each. The events come back.

        async with livemood.Producer(
            "ws://127.0.0.1:8765", rate=16000, purpose="personal", informed=True
        ) as producer:
            await producer.push(block)  # as it is captured
            await producer.finish()
            async for event in producer:
                print(event)

    If the server is stopped and another one goes on with the session, the producer goes there by
    itself: the same session, with numbers that go on. It sends again what the first one did not
    hear, up to four seconds of it. `push` waits meanwhile.

    One task at a time may push, another iterate.
    """

    def __init__(
        self, url: str, *, rate: int, channels: int = 1, token: str | None = None, **about: object
    ) -> None:
        """`url` is `ws://HOST:PORT`; with `?session=ID` the sound is that of a waiting session.

        `rate` is in Hz. `about` are further fields of the start message, such as `purpose`,
        `participants`, `consent` and `informed`: see the protocol. Raises `UsageError`.
        """
        self._url = _address(url)
        self._rate, self._channels, self._about = rate, channels, about
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._socket: ClientConnection | None = None
        self._open = asyncio.Lock()  # held while there is no connection to send by
        self._sent: deque[tuple[int, bytes]] = deque()
        self._at = 0
        self._finished = False
        self._over: Exception | None = None
        self._came: asyncio.Queue[AnyEvent | Exception | None] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        self.session: str | None = None
        """Identifies the session, once its first event has come."""

    async def __aenter__(self) -> Self:
        """Connect. Raises `ConnectError`."""
        self._socket = await self._begun(self._url, self._about)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        if self._socket is not None:
            await self._socket.close()

    @property
    def now_ms(self) -> int:
        """How much sound has been pushed."""
        return self._at * 1000 // self._rate

    async def push(self, block: NDArray[Any]) -> None:
        """Send the next block of sound: float32 in [-1, 1] or int16, (n,) or (n, channels).

        Send it as it is captured. Raises `UsageError` for another array, or after `finish`, and
        `ConnectError` once the session is over, whoever ended it.
        """
        if self._over is not None:
            raise self._over
        if self._finished:
            raise UsageError("the sound is finished: make a new producer for more")
        samples = to_samples(block, self._channels)
        content = np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()
        async with self._open:
            self._sent.append((self._at, content))
            self._at += len(samples)
            oldest = self._at - KEPT_S * self._rate
            while self._sent and self._sent[0][0] < oldest:
                self._sent.popleft()
            await self._send(content)

    async def mark(self, note: str) -> None:
        """Note something where the sound is now."""
        async with self._open:
            await self._send(json.dumps({"type": "marker", "note": note}))

    async def finish(self) -> None:
        """No more sound comes. Events still do: iterate to the end."""
        async with self._open:
            if not self._finished:
                self._finished = True
                await self._send('{"type": "end"}')

    async def __aiter__(self) -> AsyncIterator[AnyEvent]:
        """Every event of the session, each once and in order, to its end.

        Raises `ConnectError` if the server refuses, or goes away without another that goes on.
        """
        while (event := await self._came.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    async def _send(self, message: str | bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        assert self._socket is not None  # noqa: S101 - it was entered
        with suppress(ConnectionClosed):  # whoever reads says why, or sends it again
            await self._socket.send(message)

    async def _read(self) -> None:
        """Take what comes, and follow the session to where it goes on."""
        try:
            while (told := await self._until_told()) is not None:
                async with self._open:
                    await self._follow(told)
            self._over = ConnectError(f"the session at {self._url} has ended")
            await self._came.put(None)
        except (ConnectError, ProtocolError) as error:
            self._over = error
            await self._came.put(error)

    async def _until_told(self) -> dict[str, Any] | None:
        """Hand on events until the session has ended, or is told to go on elsewhere."""
        from websockets.exceptions import ConnectionClosed

        assert self._socket is not None  # noqa: S101 - it was entered
        try:
            while True:
                text = await self._socket.recv()
                if REDIRECT in (head := str(text)[:40]) and head.startswith('{"type":'):
                    told: dict[str, Any] = json.loads(text)
                    return told
                event = _parsed(text)
                if isinstance(event, ErrorEvent) and event.seq is None and event.fatal:
                    raise ConnectError(f"{self._url} refused: {event.message}")
                if event is not None:
                    self.session = event.session or self.session
                    await self._came.put(event)
                if isinstance(event, SessionEnded):
                    return None
        except ConnectionClosed as closed:
            raise ConnectError(f"{self._url} went away in the session: {closed}") from None

    async def _follow(self, told: dict[str, Any]) -> None:
        """Go on where the server says."""
        assert self._socket is not None  # noqa: S101 - it was entered
        await self._socket.close()
        query = f"?session={told['session']}" if "session" in told else ""
        url = str(told.get("url") or f"{self._url.partition('?')[0]}{query}")
        if self._url.startswith("wss:") and not url.startswith("wss:"):
            raise ConnectError(f"{self._url} names a server without TLS: the token is not sent")
        about = self._about
        if "resume" in told:
            first = int(told["end_ms"]) * self._rate // 1000
            self._forget_until(first)
            at = self._sent[0][0] if self._sent else self._at
            about = {"resume": told["resume"], "at_ms": at * 1000 // self._rate}
        self._url = url
        self._socket = await self._begun(url, about)
        for _, content in self._sent:
            await self._send(content)
        if self._finished:
            await self._send('{"type": "end"}')

    def _forget_until(self, first: int) -> None:
        """Leave out what was heard, up to sample `first`."""
        frame = 2 * self._channels
        while self._sent and self._sent[0][0] < first:
            begins, content = self._sent.popleft()
            if rest := content[(first - begins) * frame :]:
                self._sent.appendleft((first, rest))

    async def _begun(self, url: str, about: dict[str, Any]) -> "ClientConnection":
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake

        form = {"rate": self._rate, "encoding": "s16le", "channels": self._channels}
        start = json.dumps({"type": "start", **form, **about})
        waited, wait = 0.0, FIRST_WAIT_S
        while True:
            try:
                socket = await connect(url, max_size=None, additional_headers=self._headers)
                await socket.send(start)
                return socket
            except (InvalidHandshake, OSError) as error:
                if not (isinstance(error, OSError) or is_cut_off(error)):
                    raise ConnectError(f"{url} {refusal(error)}") from None
                if waited >= PATIENCE_S:
                    raise ConnectError(f"no server answers at {url} ({error})") from None
            await asyncio.sleep(wait)
            waited, wait = waited + wait, 2 * wait


def _parsed(text: str | bytes) -> AnyEvent | None:
    try:
        return parse_known_event(text)
    except ValidationError:
        raise ProtocolError("the server sent a message that is no livemood event") from None


def _address(url: str) -> str:
    """Where sound is sent to."""
    try:
        parts = urlsplit(url)
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        usable = scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{url!r} is no WebSocket address: give one like ws://127.0.0.1:8765")
    path = parts.path.rstrip("/")
    path = path if path.endswith(PATH) else path + PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))
