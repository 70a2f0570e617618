"""A connection to PostgreSQL that comes back by itself."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from livemood.server.storage.database import StorageError

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[[], Connection]
AGAIN_S = 0.5
"""From one look, or try to connect again, to the next."""
AWAY = "the database does not answer"


class Line:
    """One connection that threads take turns with.

    Once it is lost nobody waits for it: whoever asks is told so at once, until a thread of
    `Reconnecting` has a new one.
    """

    def __init__(self, connect: Connect) -> None:
        """Raises as psycopg does."""
        self._lock = threading.RLock()
        self._connection: Connection | None = connect()
        self.lost = threading.Event()

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """The connection. Raises `StorageError` for what goes wrong inside."""
        if self.lost.is_set():
            raise StorageError(AWAY)
        with self._lock:
            if (connection := self._connection) is None:
                raise StorageError(AWAY)
            try:
                yield connection
            except psycopg.Error as error:
                if connection.closed or isinstance(error, psycopg.OperationalError):
                    self._drop(connection)
                raise StorageError(message_of(error)) from error

    def _drop(self, connection: Connection) -> None:
        self._connection = None
        self.lost.set()
        with suppress(psycopg.Error):
            connection.close()

    def look(self) -> None:
        """Find out whether it is lost, unless it is in use."""
        if self._lock.acquire(blocking=False):
            try:
                with suppress(StorageError), self.use() as connection:
                    connection.execute("SELECT 1")
            finally:
                self._lock.release()

    def mend(self, connect: Connect) -> None:
        """Connect again. Raises as psycopg does."""
        fresh = connect()
        with self._lock:
            self._connection = fresh
            self.lost.clear()

    def close(self) -> None:
        """Nothing will follow."""
        with self._lock:
            if self._connection is not None:
                self._drop(self._connection)


class Reconnecting:
    """The thread that brings lost lines back."""

    def __init__(self, lines: Sequence[Line], connect: Connect) -> None:
        self._lines, self._connect = lines, connect
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="livemood-database", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether one is lost now."""
        return any(line.lost.is_set() for line in self._lines)

    def close(self) -> None:
        """End the thread and the lines."""
        self._stop.set()
        self._thread.join(10.0)
        for line in self._lines:
            line.close()

    def _work(self) -> None:
        said_so = False
        while not self._stop.wait(AGAIN_S):
            for line in self._lines:
                line.look()
            lost = [line for line in self._lines if line.lost.is_set()]
            if lost and not said_so:
                log.error("%s: what is to be kept waits", AWAY)
            said_so = bool(lost)
            try:
                for line in lost:
                    line.mend(self._connect)
            except psycopg.Error:
                log.debug("the database cannot be reached", exc_info=True)
                continue
            if lost:
                log.warning("the database answers again")
                said_so = False


def message_of(error: psycopg.Error) -> str:
    """The first line of what PostgreSQL says; further ones may quote values."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
