"""A client of a running monitor: reconnects by itself and resumes where it left off."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlencode, urlsplit, urlunsplit

from pydantic import ValidationError

from livemood.errors import ConnectError, ProtocolError, UsageError, reason
from livemood.timeline.events import (
    AnyEvent,
    ErrorEvent,
    Event,
    SessionEnded,
)
from livemood.timeline.lenient import parse_common_fields, parse_known_event

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
ENDED = 1000
"""The close code of a session that has ended (RFC 6455: the purpose has been fulfilled)."""
LATER = 1013
"""That of a server that cannot now (RFC 6455, registered later: try again later)."""
BUSY = (429, 503)
"""The same as an answer of HTTP (RFC 6585, RFC 9110)."""
PATH = "/v1/timeline"
_PAGE = re.compile(r"(?P<before>.*)/sessions/(?P<session>[^/]+)")
FIRST_PATIENCE_S = 2.0
"""A monitor that never answered is given no more than this."""


async def connect(
    url: str | Sequence[str],
    after: int = 0,
    patience_s: float = 30.0,
    token: str | None = None,
) -> AsyncIterator[AnyEvent]:
    """The events of the monitor at `url`, from the one after `after` on, each once and in order.

    `url` is `ws://HOST:PORT`, with or without the path `/v1/timeline`; of a server of many sessions
    `ws://HOST:PORT?session=ID`, with a `token` where one is asked for. The address of the page in
    the browser, `http://HOST:PORT` or `http://HOST:PORT/sessions/ID`, will do.

    Of servers that know each other give all: if one does not answer, the next is asked.

    A connection that breaks is made again, and what was missed is fetched; if the monitor was
    restarted meanwhile, its new session is told from its beginning. A server that was killed may
    have handed out events that it had not written yet: an `error` event `rewound` says how many,
    and what follows counts on from those before them. Ends with the session, without an event if
    no sound ever came.

    A server that cannot now, with as many clients as it takes, is asked again. Types of events and
    fields that this version does not know are passed over: the server may be newer.

    Raises `UsageError` for a URL that is none; `ConnectError` if the monitor refuses, or if no
    event could be had for `patience_s`; `ProtocolError` for a message that is no event.
    """
    from websockets.asyncio.client import connect as open_socket
    from websockets.exceptions import ConnectionClosed, InvalidHandshake

    feed = _Feed(url, after)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    wait = _Wait()
    while True:
        patience = patience_s
        began = time.monotonic()
        try:
            # Whoever leaves in the middle of a backlog need not wait for a farewell behind it.
            async with open_socket(
                feed.address, max_size=None, close_timeout=0.5, additional_headers=headers
            ) as socket:
                async for text in socket:
                    event, new = feed.take(text)
                    if isinstance(event, ErrorEvent) and event.seq is None and event.fatal:
                        await _raise_refusal(socket, event, feed.base)
                    if new:  # not the handshake: a server may take connections and close them
                        wait = _Wait()
                    if new and event is not None:
                        yield event
                    if isinstance(event, SessionEnded):
                        return
                if socket.close_code == ENDED:  # without a word: no sound ever came
                    return
            failure = ConnectError(f"{feed.base} closes every connection")
        except (InvalidHandshake, _LaterError) as error:
            failure = ConnectError(f"{feed.base} {refusal(error)}")
            if not _may_change(error):
                raise failure from None
            if is_cut_off(error) and not feed.session:
                patience = min(patience_s, FIRST_PATIENCE_S)
        except (OSError, ConnectionClosed, TimeoutError) as error:
            why = "" if isinstance(error, ConnectionRefusedError) else f" ({reason(error)})"
            failure = ConnectError(
                f"no monitor answers at {feed.bases}{why}: start one with livemood listen"
            )
            patience = patience_s if feed.session else min(patience_s, FIRST_PATIENCE_S)
        if time.monotonic() - began >= patience_s:
            wait = _Wait()  # it was connected, and nobody spoke
        if wait.total >= patience:
            raise failure
        feed.turn()
        await asyncio.sleep(wait.next())


class _Wait:
    """How long to wait between attempts: twice as long each time."""

    def __init__(self) -> None:
        self.total, self._next = 0.0, FIRST_WAIT_S

    def next(self) -> float:
        wait, self._next = self._next, min(LONGEST_WAIT_S, self._next * 2)
        self.total += wait
        return wait


class _Feed:
    """How far a session has been told, whatever connections it took."""

    def __init__(self, url: str | Sequence[str], after: int) -> None:
        urls = [url] if isinstance(url, str) else list(url)
        if not urls:
            raise UsageError("give an address like ws://127.0.0.1:8765")
        self._bases = [_address(each)[0] for each in urls]
        self.base, self.session = _address(urls[0])
        self._seen = after

    def turn(self) -> None:
        """Ask the next one."""
        self._bases.append(self._bases.pop(0))
        self.base = self._bases[0]

    @property
    def bases(self) -> str:
        """Everywhere that is asked."""
        return " or ".join(sorted(self._bases))

    @property
    def address(self) -> str:
        """Where to ask for the events that are still to come."""
        query = {"after": str(self._seen)}
        if self.session:
            query["session"] = self.session
        return f"{self.base}?{urlencode(query)}"

    def take(self, text: str | bytes) -> tuple[AnyEvent | None, bool]:
        """The event of a message, none if its type is not known; and whether it is new."""
        try:
            event = parse_known_event(text)
            common: Event = event or parse_common_fields(text)
        except ValidationError:
            raise ProtocolError(f"{self.base} sent a message that is no livemood event") from None
        if common.seq is not None:
            if common.session == self.session and common.seq <= self._seen:
                return event, False
            self.session, self._seen = common.session, common.seq
        elif isinstance(event, ErrorEvent) and event.code == "rewound":
            self._seen -= event.count or 0
        return event, True


class _LaterError(Exception):
    """A server that cannot now: it may be asked again."""


async def _raise_refusal(socket: "ClientConnection", event: ErrorEvent, base: str) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(socket.wait_closed(), 1.0)
    if socket.close_code == LATER:
        raise _LaterError(event.message)
    raise ConnectError(f"{base} refused: {event.message}")


def _may_change(error: Exception) -> bool:
    """Whether the same question may be answered otherwise in a moment."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return isinstance(error, _LaterError) or status in BUSY or is_cut_off(error)


def is_cut_off(error: Exception) -> bool:
    """Whether the connection broke before a word was said, as when a server is killed just then."""
    return isinstance(error.__cause__, EOFError | OSError)


def refusal(error: Exception) -> str:
    """What a server says instead of opening a WebSocket, or before it closes it."""
    if isinstance(error, _LaterError):
        return f"refused: {error}"
    try:
        reason = json.loads(error.response.body)["error"]["message"]  # type: ignore[attr-defined]
    except (AttributeError, ValueError, TypeError, KeyError):
        return f"is no livemood monitor: {error}"
    return f"refused: {reason}"


def _address(url: str) -> tuple[str, str]:
    """Where the events of `url` are, and the session that it names, if any."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        usable = scheme in ("ws", "wss") and host and not set(host) & set(' <>"')
        host.encode("idna")
    except ValueError:  # a UnicodeError is one too
        usable = False
    if not usable:
        raise UsageError(f"{url!r} is no WebSocket address: give one like ws://127.0.0.1:8765")
    session = (parse_qs(parts.query).get("session") or [""])[0]
    path = parts.path.rstrip("/")
    if page := _PAGE.fullmatch(path):  # what stands in the browser
        path, session = page["before"], unquote(page["session"])
    if not path.endswith(PATH):
        path += PATH
    return urlunsplit((scheme, parts.netloc, path, "", "")), session
