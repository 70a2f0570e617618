"""A client of a running monitor: reconnects by itself and resumes where it left off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from pydantic import ValidationError

from livemood.errors import LivemoodError, UsageError
from livemood.timeline.events import AnyEvent, ErrorEvent, SessionEnded, parse_event

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
ENDED = 1000
"""The close code of a session that has ended (RFC 6455: the purpose has been fulfilled)."""
LATER = 1013
"""That of a server that cannot now (RFC 6455, registered later: try again later)."""
BUSY = (429, 503)
"""The same as an answer of HTTP (RFC 6585, RFC 9110)."""
FIRST_PATIENCE_S = 2.0
"""A monitor that never answered is given no more than this."""


async def connect(
    url: str, after: int = 0, patience_s: float = 30.0, token: str | None = None
) -> AsyncIterator[AnyEvent]:
    """The events of the monitor at `url`, from the one after `after` on, each once and in order.

    `url` is `ws://HOST:PORT`, with or without the path `/v1/timeline`; of a server of many sessions
    `ws://HOST:PORT?session=ID`, with a `token` where one is asked for. A connection that breaks is
    made again, and what was missed is fetched; if the monitor was restarted meanwhile, its new
    session is told from its beginning. A server that was killed may have handed out events that
    it had not written yet: an `error` event `rewound` says how many, and what follows counts on
    from those before them. Ends with the session, without an event if no sound ever came.
    A server that cannot now, with as many clients as it takes, is asked again.
    Raises `UsageError` for a URL that is none, `LivemoodError` if the monitor cannot be reached for
    `patience_s`, or cannot now for as long, or refuses.
    """
    from websockets.asyncio.client import connect as open_socket
    from websockets.exceptions import ConnectionClosed, InvalidHandshake

    base = _address(url)
    session = (parse_qs(urlsplit(url).query).get("session") or [""])[0]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    seen, wait, waited = after, FIRST_WAIT_S, 0.0
    put_off = False  # a server may take the connection and say only then that it cannot now
    while True:
        query = {"after": seen} | ({"session": session} if session else {})
        patience = patience_s
        try:
            address = f"{base}?{urlencode(query)}"
            # Whoever leaves in the middle of a backlog need not wait for a farewell behind it.
            async with open_socket(
                address, max_size=None, close_timeout=0.5, additional_headers=headers
            ) as socket:
                if not put_off:
                    wait, waited = FIRST_WAIT_S, 0.0
                async for text in socket:
                    event = _parsed(text, base)
                    if isinstance(event, ErrorEvent) and event.seq is None and event.fatal:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(socket.wait_closed(), 1.0)
                        if socket.close_code == LATER:
                            raise _LaterError(event.message)
                        raise LivemoodError(f"{base} refused: {event.message}")
                    if put_off:
                        put_off, wait, waited = False, FIRST_WAIT_S, 0.0
                    if event.seq is not None:
                        if event.session == session and event.seq <= seen:
                            continue
                        session, seen = event.session, event.seq
                    elif isinstance(event, ErrorEvent) and event.code == "rewound":
                        seen -= event.count or 0
                    yield event
                    if isinstance(event, SessionEnded):
                        return
                if socket.close_code == ENDED:  # without a word: no sound ever came
                    return
            failure = LivemoodError(f"{base} closes every connection")
        except (InvalidHandshake, _LaterError) as error:
            failure = LivemoodError(f"{base} {_refusal(error)}")
            if not _may_change(error):
                raise failure from None
            put_off = True
        except (OSError, ConnectionClosed, TimeoutError) as error:
            failure = LivemoodError(
                f"no monitor answers at {base} ({error}): start one with livemood listen"
            )
            patience = patience_s if session else min(patience_s, FIRST_PATIENCE_S)
        if waited >= patience:
            raise failure
        waited += wait
        await asyncio.sleep(wait)
        wait = min(LONGEST_WAIT_S, wait * 2)


class _LaterError(Exception):
    """A server that cannot now: it may be asked again."""


def _may_change(error: Exception) -> bool:
    """Whether the same question may be answered otherwise in a moment."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return isinstance(error, _LaterError) or status in BUSY


def _refusal(error: Exception) -> str:
    """What a server says instead of opening a WebSocket, or before it closes it."""
    if isinstance(error, _LaterError):
        return f"refused: {error}"
    try:
        said = json.loads(error.response.body)["error"]["message"]  # type: ignore[attr-defined]
    except (AttributeError, ValueError, TypeError, KeyError):
        return f"is no livemood monitor: {error}"
    return f"refused: {said}"


def _parsed(text: str | bytes, base: str) -> AnyEvent:
    try:
        return parse_event(text)
    except ValidationError:
        raise LivemoodError(f"{base} sent a message that is no livemood event") from None


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        usable = parts.scheme in ("ws", "wss") and host and not set(host) & set(' <>"')
        host.encode("idna")
    except ValueError:  # a UnicodeError is one too
        usable = False
    if not usable:
        raise UsageError(f"{url!r} is no WebSocket address: give one like ws://127.0.0.1:8765")
    path = parts.path if parts.path not in ("", "/") else "/v1/timeline"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
