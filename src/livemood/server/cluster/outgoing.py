"""What live sessions of this node say, on its way to NATS: each event once and in order."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from livemood.server.cluster.wire import LOST, OvertakenError, Wire
from livemood.server.storage.interface import StorageError
from livemood.server.storage.timelines import Row
from livemood.timeline.events import parse_event

log = logging.getLogger(__name__)

GATHER_S: Final = 0.02
AGAIN_S: Final = 0.25
IN_MEMORY: Final = 1000
"""Events of a session that wait in memory; what is older is read from disk in its turn."""
AT_ONCE: Final = 100
BYTES_AT_ONCE: Final = 400_000

Read = Callable[[str, int, int], list[Row]]


def packed(rows: list[Row]) -> bytes:
    """Events as one message."""
    return "\n".join(text for _, text in rows).encode()


def unpacked(content: bytes) -> list[Row]:
    """The events of a message."""
    events = [(text, parse_event(text)) for text in content.decode().split("\n") if text]
    return [(event.seq or 0, text) for text, event in events]


@dataclass(slots=True)
class _Line:
    """One session on its way."""

    waiting: deque[Row] = field(default_factory=deque)
    sent: int = 0
    """Number of the last event that NATS has confirmed."""
    at: int = 0
    """Its number in the stream."""
    newest: int = 0
    over: bool = False
    """Nothing more will come."""
    busy: bool = False


class Outgoing:
    """The way out. `put` and `close` may be called by any thread."""

    def __init__(
        self,
        wire: Wire,
        read: Read,
        left: Callable[[str], None],
        overtaken: Callable[[str], None],
    ) -> None:
        """`read` gives events of a session from disk; `left` is told once all of one is out.

        `overtaken` is told of a session whose end another node has said.
        """
        self._wire, self._read, self._left, self._told = wire, read, left, overtaken
        self._dropped: set[str] = set()
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        self._news = asyncio.Event()
        self._woken = False

    @property
    def depth(self) -> int:
        """Events that wait."""
        with self._lock:
            return sum(line.newest - line.sent for line in self._lines.values())

    def put(self, session: str, seq: int, text: str) -> None:
        """The session's next event. Never waits."""
        with self._lock:
            if session in self._dropped:
                return
            line = self._lines.setdefault(session, _Line(sent=seq - 1))
            line.newest = seq
            line.waiting.append((seq, text))
            while len(line.waiting) > IN_MEMORY:
                line.waiting.popleft()
        self._wake()

    def end(self, session: str) -> None:
        """Nothing more will come of the session."""
        with self._lock:
            self._dropped.discard(session)
            if (line := self._lines.get(session)) is None:
                unused = True
            else:
                line.over, unused = True, False
        if unused:
            self._left(session)
        else:
            self._wake()

    def drop(self, session: str) -> None:
        """Say nothing more of a session: somebody else has said its end."""
        with self._lock:
            self._lines.pop(session, None)
            self._dropped.add(session)

    def drain(self, timeout_s: float) -> None:
        """Wait until everything is out."""
        deadline = time.monotonic() + timeout_s
        while self._lines and time.monotonic() < deadline:
            time.sleep(GATHER_S)

    def settle(self, session: str, last: int, timeout_s: float) -> int | None:
        """Wait until NATS has event `last`, after which nothing comes from here; its number there.

        None if it does not get there in time; then all goes on as before.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with self._lock:
                line = self._lines.get(session)
                if line is None:
                    return None
                if line.sent >= last and not line.busy:
                    del self._lines[session]
                    return line.at
            time.sleep(GATHER_S / 4)
        return None

    def resume(self, session: str, sent: int, at: int) -> None:
        """The session goes on here after event `sent`, which is number `at` of the stream."""
        with self._lock:
            self._lines[session] = _Line(sent=sent, at=at, newest=sent)

    def _wake(self) -> None:
        if not self._woken and not self._wire.loop.is_closed():
            self._woken = True
            self._wire.loop.call_soon_threadsafe(self._news.set)

    async def run(self) -> None:
        """Send what comes; called in the wire's loop."""
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(GATHER_S)
            self._woken = False
            with self._lock:
                ready = [(s, line) for s, line in self._lines.items() if not line.busy]
                for _, line in ready:
                    line.busy = True
            for session, line in ready:
                self._wire.keep(self._send(session, line))

    async def _send(self, session: str, line: _Line) -> None:
        """Send what there is of one session, for as long as there is something."""
        try:
            while line.sent < line.newest:
                if not self._wire.connected or not await self._sent(session, line):
                    await asyncio.sleep(AGAIN_S)
                    if self._lines.get(session) is not line:
                        return
        finally:
            line.busy = False
        if line.over:
            with self._lock:
                if self._lines.get(session) is not line:
                    return
                del self._lines[session]
            self._left(session)
        elif line.sent < line.newest:
            self._wake()

    async def _sent(self, session: str, line: _Line) -> bool:
        rows = await self._next(session, line)
        if not rows:
            return False
        try:
            line.at = await self._wire.publish(session, packed(rows), line.at)
        except OvertakenError:
            await self._overtaken(session, line)
            return True
        except LOST:
            return False
        with self._lock:
            line.sent = rows[-1][0]
            while line.waiting and line.waiting[0][0] <= line.sent:
                line.waiting.popleft()
        return True

    async def _next(self, session: str, line: _Line) -> list[Row]:
        """The events whose turn it is."""
        with self._lock:
            rows = list(line.waiting)
        rows = [row for row in rows if row[0] > line.sent]
        if not rows or rows[0][0] != line.sent + 1:
            try:
                rows = await asyncio.to_thread(self._read, session, line.sent, AT_ONCE)
            except (StorageError, OSError):
                return []
        taken, size = list[Row](), 0
        for row in rows[:AT_ONCE]:
            size += len(row[1])
            if taken and size > BYTES_AT_ONCE:
                break
            taken.append(row)
        return taken

    async def _overtaken(self, session: str, line: _Line) -> None:
        """Something was said that NATS did not confirm, or another node has ended the session."""
        try:
            at, content = await self._wire.last(session)
            rows = unpacked(content)
        except (*LOST, ValueError):
            await asyncio.sleep(AGAIN_S)
            return
        with self._lock:
            if not rows:  # NATS has lost what it had: from the beginning
                line.sent, line.at = 0, at
            elif rows[-1] in line.waiting or '"type":"session.ended"' not in rows[-1][1]:
                line.sent, line.at = rows[-1][0], at
            else:
                line.sent = line.newest
                self._told(session)
