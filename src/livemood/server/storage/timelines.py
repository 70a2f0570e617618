"""Timelines on disk: a SQLite file for each session.

A file each, so that deleting one leaves nothing of it in the pages of others, costs no more than
the session is large, and needs nobody to wait.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from livemood.server.storage.database import connect, erase

Row = tuple[int, str]
"""An event: its sequence number and its JSON."""


class Timelines:
    """The folder of the files. Sessions are known by ids that the server made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, sqlite3.Connection] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob("*.erasing"):  # the program was killed in the middle
            erase(left)

    def path(self, session: str) -> Path:
        """The file of a session."""
        return self._folder / f"{session}.db"

    def append(self, session: str, rows: Sequence[Row]) -> None:
        """Write events in one transaction. Called by one thread alone; so is `close`.

        Raises `sqlite3.Error` if that cannot be done; then nothing was written.
        """
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
        """The events after number `after`, in order; none if there is no file."""
        path = self.path(session)
        if not path.exists():
            return []
        with closing(connect(path)) as connection:
            query = "SELECT seq, event FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
            return connection.execute(query, (after, limit)).fetchall()

    def last(self, session: str) -> int:
        """The number of the last event; 0 if there is none."""
        path = self.path(session)
        if not path.exists():
            return 0
        with closing(connect(path)) as connection:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def erase(self, session: str) -> None:
        """Leave nothing of the session's events."""
        path = self.path(session)
        for file in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"), path):
            erase(file)

    def _create(self, session: str) -> sqlite3.Connection:
        path = self.path(session)
        path.touch(mode=0o600)
        connection = connect(path)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, event TEXT NOT NULL)"
        )
        connection.execute("PRAGMA cache_size = -64")  # KiB: there are many of these
        return connection
