"""Timelines of live sessions in files of this server, of ended ones in the database."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from livemood.server.storage.database import MainDatabase
from livemood.server.storage.timelines import Row, Timelines


class SharedTimelines(Timelines):
    """What a session says is written to a file here, so that nothing of it waits for the database.

    When it has ended, its timeline moves there, where every server finds it. If the database is
    away, the file is what waits for it.
    """

    def __init__(self, folder: Path, database: MainDatabase) -> None:
        super().__init__(folder)
        self._db = database
        self._moving = threading.Lock()

    def close(self, session: str) -> None:
        """The session has ended: move its timeline. Raises `StorageError` if that must wait."""
        super().close(session)
        with self._moving:
            if not self.path(session).exists():
                return
            self.keep(session, super().read(session))
            super().erase(session)

    def read(self, session: str, after: int = 0, limit: int = -1) -> list[Row]:
        """The events after number `after`, in order. Raises `StorageError`."""
        with self._moving:
            if self.path(session).exists():
                return super().read(session, after, limit)
        query = "SELECT seq, event FROM events WHERE session = ? AND seq > ? ORDER BY seq LIMIT ?"
        found = self._db.rows(query, (session, after, None if limit < 0 else limit))
        return [(seq, text) for seq, text in found]

    def last(self, session: str) -> int:
        """The number of the last event; 0 if there is none. Raises `StorageError`."""
        with self._moving:
            if self.path(session).exists():
                return super().last(session)
        query = "SELECT coalesce(max(seq), 0) FROM events WHERE session = ?"
        return int(self._db.rows(query, (session,))[0][0])

    def keep(self, session: str, rows: Sequence[Row]) -> None:
        """Keep a whole timeline in the database, unless there is one. Raises `StorageError`."""
        with self._db.transaction() as db:
            there = db.execute("SELECT 1 FROM events WHERE session = ? LIMIT 1", (session,))
            if there.rowcount <= 0:
                db.executemany(
                    "INSERT INTO events (session, seq, event) VALUES (?, ?, ?)",
                    [(session, seq, text) for seq, text in rows],
                )

    def erase(self, session: str) -> None:
        """Leave nothing of the session's events. Raises `StorageError`."""
        with self._moving:
            super().erase(session)
        with self._db.transaction() as db:
            db.execute("DELETE FROM events WHERE session = ?", (session,))

    def tidy(self, known: Callable[[str], bool]) -> None:
        """Move what an earlier server could not, and erase what was deleted meanwhile."""
        for path in self._folder.glob("*.db"):
            session = path.stem
            query = "SELECT 1 FROM events WHERE session = ? LIMIT 1"
            if known(session) and not self._db.rows(query, (session,)):
                self.close(session)
            else:
                with self._moving:
                    super().erase(session)
