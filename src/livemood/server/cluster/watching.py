"""Sessions of other nodes that are watched here: each is read from NATS once, for all watchers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from livemood.server.cluster.outgoing import unpacked
from livemood.server.cluster.wire import LOST, Wire
from livemood.server.monitor.log import Entry, EventLog
from livemood.server.storage.timelines import Row, Timelines
from livemood.server.storage.writer import Writer

log = logging.getLogger(__name__)

HISTORY: Final = 512
LINGER_S: Final = 10.0
"""How long a session is read on when its last watcher has gone."""
KNOWN_S: Final = 5.0
AGAIN_S: Final = 0.1
EMOTION: Final = '"type":"emotion"'
ENDED: Final = '"type":"session.ended"'


class Watched:
    """One session of another node: its recent events in memory, all of them in a file."""

    def __init__(self, session: str) -> None:
        self.log = EventLog(HISTORY)
        self.log.session = session
        self.users = 0
        self.reached = asyncio.Event()
        """Set once as much is known as NATS had when it began to be watched."""
        self.reading: Future[None] | None = None

    def take(self, rows: list[Row], put: Callable[[str, int, str], None]) -> None:
        """Take the next events, in the event loop of the watchers."""
        assert self.log.session is not None  # noqa: S101 - just set
        for seq, text in rows:
            put(self.log.session, seq, text)
            self.log.append(Entry(seq, text, EMOTION in text))
            if ENDED in text:
                self.log.close()
                self.reached.set()


class Watching:
    """All of them. Coroutines belong to the event loop of the watchers."""

    def __init__(self, wire: Wire, folder: Path) -> None:
        self._wire = wire
        self.kept = Timelines(folder)
        for left in folder.glob("*.db"):
            self.kept.erase(left.stem)
        self.writer = Writer(self.kept)
        self._watched: dict[str, Watched] = {}

    @asynccontextmanager
    async def watch(self, session: str) -> AsyncIterator[Watched]:
        """A session as NATS has it, and as it goes on."""
        watched = self._watched.get(session)
        if watched is None:
            watched = self._watched[session] = Watched(session)
            loop = asyncio.get_running_loop()
            watched.reading = self._wire.run(self._read(watched, session, loop))
        watched.users += 1
        try:
            yield watched
        finally:
            watched.users -= 1
            if not watched.users:
                asyncio.get_running_loop().call_later(LINGER_S, self._leave, session, watched)

    def flush(self) -> object:
        """Have all that was read in files. Blocks."""
        return self.writer.flush()

    def read(self, session: str, after: int, limit: int) -> list[Row]:
        """Events that memory does not hold any more. Blocks."""
        return self.kept.read(session, after, limit)

    def close(self) -> None:
        """Read no more, and leave nothing in the folder."""
        for watched in self._watched.values():
            if watched.reading is not None:
                watched.reading.cancel()
        self.writer.close()
        for session in self._watched:
            self.kept.close(session)
            self.kept.erase(session)

    def _leave(self, session: str, watched: Watched) -> None:
        if watched.users or self._watched.get(session) is not watched:
            return
        del self._watched[session]
        if watched.reading is not None:
            watched.reading.cancel()

        def erase() -> None:
            if session not in self._watched:
                self.kept.close(session)
                self.kept.erase(session)

        self.writer.then(erase)

    async def _read(self, watched: Watched, session: str, loop: asyncio.AbstractEventLoop) -> None:
        """In the wire's loop: read until the session has ended."""
        next_at, had, until = 1, 0, None

        def tell(function: Callable[..., Any], *args: Any) -> None:  # noqa: ANN401
            if not loop.is_closed():
                loop.call_soon_threadsafe(function, *args)

        while True:
            try:
                if until is None:
                    until, _ = await self._wire.last(session)
                if next_at > until:
                    tell(watched.reached.set)
                async for at, content in self._wire.published(session, next_at):
                    rows = [row for row in unpacked(content) if row[0] > had]
                    if rows and rows[0][0] != had + 1 and had:  # something was passed over
                        break
                    next_at = at + 1
                    if rows:
                        had = rows[-1][0]
                        tell(watched.take, rows, self.writer.put)
                    if at >= until:
                        tell(watched.reached.set)
                    if rows and ENDED in rows[-1][1]:
                        return
            except (*LOST, ValueError):
                log.debug("a session cannot be read", exc_info=True)
            await asyncio.sleep(AGAIN_S)
