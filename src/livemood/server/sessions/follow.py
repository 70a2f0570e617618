"""The events of a session, from any place on, to a WebSocket."""

import asyncio
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.server.monitor.log import EventLog, Subscription
from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.timelines import Row
from livemood.timeline.events import client_notice

CHUNK = 64
"""Events read from disk at once."""
EMOTION = '"type":"emotion"'
"""How an event says that it is one: inside strings the quotes would be escaped."""
QUEUE = 256
"""Events that a client may fall behind before it loses `emotion` events."""


class EventStore(Protocol):
    """Where events are that memory does not hold any more."""

    def flush(self) -> object:
        """Have all of them there. Blocks."""

    def read(self, session: str, after: int, limit: int) -> list[Row]:
        """The events after number `after`, at most `limit` of them. Blocks."""


class _Storage:
    """The server's own."""

    def __init__(self, sessions: Sessions) -> None:
        self.read = sessions.storage.read
        self.flush = sessions.storage.writer.flush


async def send_from(socket: WebSocket, sessions: Sessions, session: str, after: int | None) -> None:
    """Send every event after number `after`; without a number, those from now on.

    If another worker has the session, its events come through that one.
    """
    ended = False
    try:
        while not ended:
            if (opened := sessions.open(session)) is not None:
                after = opened.log.last_seq if after is None else after
                after = await send_live(socket, sessions, opened.log, after)
                ended = not opened.moved
            elif (owner := sessions.peers.owner(session)) is not None:
                followed = await sessions.peers.follow(socket, session, owner, after)
                after, ended = followed.after, followed.ended
            else:
                await _send_ended(socket, sessions, session, after)
                ended = True
        await socket.close(1000, "the session has ended")
    except WebSocketDisconnect:
        pass


async def _send_ended(
    socket: WebSocket, sessions: Sessions, session: str, after: int | None
) -> None:
    last = await sessions.pools.history.run(sessions.storage.events.last, session)
    if after is None:
        after = last
    elif after >= max(last, 1):
        after = await _rewound(socket, sessions, session, after, last)
    log = EventLog(1)
    log.session = session
    await _send_stored(socket, sessions, log, after, last, _Storage(sessions))


async def _rewound(
    socket: WebSocket, sessions: Sessions, session: str, after: int, last: int
) -> int:
    """Where a client goes on that has had everything, or more than was kept.

    Events are handed out before they are written. Those that a killed program did not write any
    more are lost, and the session's end, made at the next start, has a number that one of them
    had. The client is told how many, and gets the end.
    """
    reason = (await sessions.pools.history.run(sessions.record, session)).reason
    if reason in ("interrupted", "unused"):
        behind = max(0, last - 1)
        notice = client_notice("rewound", "the newest events were not kept", after - behind)
        await socket.send_text(notice.model_dump_json())
        return behind
    if after > last:
        raise Refused("bad_request", f"after={after} lies ahead: the last is {last}", 400)
    return after


async def _send_stored(
    socket: WebSocket, sessions: Sessions, log: EventLog, after: int, until: int, store: EventStore
) -> int:
    """Send what is on disk up to number `until`; the number of the last one sent."""
    while after < until:
        rows = await sessions.pools.history.run(store.read, log.session or "", after, CHUNK)
        if not rows:
            break
        for _, text in rows:
            await socket.send_text(text)
        after = rows[-1][0]
        await asyncio.sleep(0)  # sending need not wait: others have their turn
    return after


async def send_live(
    socket: WebSocket,
    sessions: Sessions,
    log: EventLog,
    after: int,
    store: EventStore | None = None,
) -> int:
    """Send the events of a log, to the session's end; the number of the last one.

    `store` has what the log does not hold any more; by default the server's storage.

    Raises `Refused` for a number that lies ahead, and `WebSocketDisconnect`.
    """
    if after > log.last_seq:
        raise Refused("bad_request", f"after={after} lies ahead: the last is {log.last_seq}", 400)
    if after + 1 < log.first_seq:
        if store is not None:
            await sessions.pools.history.run(store.flush)
        older = store or _Storage(sessions)
        after = await _send_stored(socket, sessions, log, after, log.first_seq - 1, older)
    return await follow(socket, sessions, log, after, store)


async def follow(
    socket: WebSocket,
    sessions: Sessions,
    log: EventLog,
    after: int,
    store: EventStore | None = None,
) -> int:
    """Send the events of a session as they come, to its end; the number of the last one.

    Raises `WebSocketDisconnect`.
    """
    store = store or _Storage(sessions)
    subscription = Subscription(log, after, QUEUE)
    news = asyncio.Event()
    log.add_listener(news.set)
    try:
        while True:
            news.clear()
            dropped = subscription.dropped
            messages = await _left_behind(sessions, log, subscription, store)
            messages += subscription.take()
            sessions.metrics.dropped.inc(subscription.dropped - dropped)
            for message in messages:
                await socket.send_text(message)
            await asyncio.sleep(0)
            if subscription.at_end:
                if log.closed:
                    return subscription.had
                await news.wait()
    finally:
        log.remove_listener(news.set)


async def _left_behind(
    sessions: Sessions, log: EventLog, subscription: Subscription, store: EventStore
) -> list[str]:
    """What a client missed that memory does not hold any more: from disk, less emotions."""
    messages = list[str]()
    if subscription.lost:
        await sessions.pools.history.run(store.flush)
    while subscription.lost:
        rows = await sessions.pools.history.run(
            store.read, log.session or "", subscription.had, CHUNK
        )
        if not rows:  # they could not be written: the client is told by what follows
            break
        rest = [text for _, text in rows if EMOTION not in text]
        messages += subscription.skip(rows[-1][0], len(rows) - len(rest)) + rest
    return messages
