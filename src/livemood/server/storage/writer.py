"""The thread that writes what sessions say to disk."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from livemood.server.storage.database import StorageError
from livemood.server.storage.interface import EventStore
from livemood.server.storage.timelines import Row

log = logging.getLogger(__name__)


class Writer:
    """Gathers events for `FLUSH_S` and writes them, each session's in one transaction.

    What cannot be written is tried again; `failing` says why. Whoever puts events never waits.
    """

    FLUSH_S = 0.4
    """With what a transaction takes: the events that are lost if the program is killed."""
    MOST_WAITING = 50_000
    """Events of one session that wait while nothing can be written; beyond, they are lost."""

    def __init__(self, events: EventStore) -> None:
        self._store = events
        self._events: deque[tuple[str, Row]] = deque()
        self._waiting: dict[str, list[Row]] = {}
        self._tasks: deque[Callable[[], None]] = deque()
        self._news = threading.Event()
        self._stopping = False
        self.failing: str | None = None
        """Why events could not be written the last time, if so."""
        self.lost = 0
        """Events given up because nothing could be written for long."""
        self._thread = threading.Thread(target=self._work, name="livemood-writer", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Events that wait to be written."""
        return len(self._events) + sum(map(len, self._waiting.values()))

    def put(self, session: str, seq: int, text: str) -> None:
        """Write the session's next event, soon."""
        self._events.append((session, (seq, text)))

    def then(self, task: Callable[[], None]) -> None:
        """Do `task` in the writer's thread, after what was put before has been written."""
        self._tasks.append(task)
        self._news.set()

    def later(self, task: Callable[[], None]) -> None:
        """Do `task` in the writer's thread, the next time that it writes."""
        self._tasks.append(task)

    def waits_for(self, session: str) -> bool:
        """Whether there are events of the session that could not be written yet."""
        return session in self._waiting

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything put before has been written; whether it was in time."""
        done = threading.Event()
        self.then(done.set)
        return done.wait(timeout_s)

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._stopping = True
        self._news.set()
        self._thread.join(10.0)

    def _work(self) -> None:
        while True:
            self._news.wait(self.FLUSH_S)
            self._news.clear()
            last = self._stopping
            tasks = [self._tasks.popleft() for _ in range(len(self._tasks))]
            self._write()
            for task in tasks:
                try:
                    task()
                except Exception:
                    log.exception("a task of the writer failed")
            if last and not self._tasks:
                return

    def _write(self) -> None:
        for _ in range(len(self._events)):
            session, row = self._events.popleft()
            self._waiting.setdefault(session, []).append(row)
        failing = None
        for session in list(self._waiting):
            try:
                self._store.append(session, self._waiting[session])
                del self._waiting[session]
            except (StorageError, OSError) as error:
                failing = str(error)
                self._give_up(session)
        if failing is not None:
            if self.failing is None:
                log.error("events cannot be written: %s", failing)
            time.sleep(0.2)
        self.failing = failing

    def _give_up(self, session: str) -> None:
        excess = len(self._waiting[session]) - self.MOST_WAITING
        if excess > 0:
            del self._waiting[session][:excess]
            self.lost += excess
