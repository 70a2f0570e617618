"""Timelines on disk: a SQLite file for each session.

A file each, so that deleting one leaves nothing of it in the pages of others, costs no more than
the session is large, and needs nobody to wait.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from livemood.server.storage.database import connect, erase, erase_left, storage_errors
from livemood.server.storage.folder import private_folder

Row = tuple[int, str]
"""An event: its sequence number and its JSON."""

DAMAGED = ".damaged"


class Timelines:
    """The folder of the files. Sessions are known by ids that the server made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, sqlite3.Connection] = {}
        private_folder(folder)
        erase_left(folder)

    def path(self, session: str) -> Path:
        """The file of a session."""
        return self._folder / f"{session}.db"

    def append(self, session: str, rows: Sequence[Row]) -> None:
        """Write events in one transaction. Called by one thread alone; so is `close`.

        Raises `StorageError` if that cannot be done; then nothing was written.
        """
        with storage_errors():
            self._append(session, rows)

    def _append(self, session: str, rows: Sequence[Row]) -> None:
        connection = self._open.get(session)
        if connection is None:
            connection = self._open[session] = self._create(session)
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("INSERT INTO events VALUES (?, ?)", rows)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def close(self, session: str) -> None:
        """Nothing will be written to the session's file any more."""
        connection = self._open.pop(session, None)
        if connection is not None:
            connection.close()

    def read(self, session: str, after: int = 0, limit: int = -1) -> list[Row]:
        """The events after number `after`, in order; none if there is no file.

        Raises `StorageError`.
        """
        path = self.path(session)
        if not path.exists():
            return []
        with storage_errors(), closing(connect(path)) as connection:
            query = "SELECT seq, event FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
            return connection.execute(query, (after, limit)).fetchall()

    def last(self, session: str) -> int:
        """The number of the last event; 0 if there is none."""
        path = self.path(session)
        if not path.exists():
            return 0
        with storage_errors(), closing(connect(path)) as connection:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def erase(self, session: str) -> None:
        """Leave nothing of the session's events."""
        path = self.path(session)
        for ending in ("-wal", "-shm", DAMAGED, ""):
            erase(path.with_name(path.name + ending))

    def forget(self, session: str) -> None:
        """It went on at another server, which has all of it: leave nothing of it in a file here."""
        Timelines.close(self, session)
        Timelines.erase(self, session)

    def tidy(self, known: Callable[[str], bool]) -> None:
        """Look after what an earlier server left; `known` says of which sessions there is a record.

        Here nothing: files stay where they are.
        """

    def keep(self, session: str, rows: Sequence[Row]) -> None:
        """Keep a whole timeline, unless there is one."""
        if not self.path(session).exists():
            self.append(session, rows)
            self.close(session)

    def put_aside(self, session: str) -> None:
        """Move a damaged file out of the way; it goes when the session is deleted."""
        self.close(session)
        path = self.path(session)
        for ending in ("-wal", "-shm"):
            with suppress(OSError):
                path.with_name(path.name + ending).unlink()
        with suppress(OSError):
            path.replace(path.with_name(path.name + DAMAGED))

    def _create(self, session: str) -> sqlite3.Connection:
        path = self.path(session)
        path.touch(mode=0o600)
        connection = connect(path)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, event TEXT NOT NULL)"
        )
        connection.execute("PRAGMA cache_size = -64")  # KiB: there are many of these
        return connection
