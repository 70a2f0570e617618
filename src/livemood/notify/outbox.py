"""Messages that wait for delivery, in SQLite, so that a restart loses none."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from livemood.notify.message import AlertMessage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL,
  id TEXT NOT NULL,
  session TEXT NOT NULL,
  body TEXT NOT NULL,
  queued REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  UNIQUE (target, id)
);
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message for one target."""

    number: int
    target: str
    body: str
    queued: float
    """When it was queued: seconds of the wall clock."""
    attempts: int
    """Deliveries tried so far; more than 0 means that the receiver may have it already."""

    @property
    def message(self) -> AlertMessage:
        """What is to be delivered."""
        return AlertMessage.model_validate_json(self.body)


class Outbox:
    """A durable queue for each target. Safe to use from several threads."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the outbox at `path`; by default one in memory, which ends with the process."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.executescript(_SCHEMA)
        if path:
            path.chmod(0o600)

    def put(self, targets: Sequence[str], message: AlertMessage, now: float) -> None:
        """Queue `message` for each target; one that is queued already is not queued again."""
        body = message.model_dump_json()
        rows = [(target, message.id, message.session, body, now) for target in targets]
        with self._lock, self._db:
            self._db.executemany(
                "INSERT OR IGNORE INTO outbox (target, id, session, body, queued) "
                "VALUES (?, ?, ?, ?, ?)",
                rows,
            )

    def first(self, target: str) -> Waiting | None:
        """The oldest message of `target`; none if nothing waits."""
        with self._lock:
            row = self._db.execute(
                "SELECT number, target, body, queued, attempts FROM outbox "
                "WHERE target = ? ORDER BY number LIMIT 1",
                (target,),
            ).fetchone()
        return Waiting(*row) if row else None

    def attempt(self, number: int) -> None:
        """Note, before it begins, that a delivery is tried: a kill in the middle is a repeat."""
        with self._lock, self._db:
            self._db.execute(
                "UPDATE outbox SET attempts = attempts + 1 WHERE number = ?", (number,)
            )

    def done(self, number: int) -> None:
        """The message was delivered, or given up."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def forget(self, session: str) -> None:
        """Delete what waits of a session that is deleted."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM outbox WHERE session = ?", (session,))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other process that has the outbox open changes anything of its messages meanwhile."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def waiting(self) -> dict[str, int]:
        """How many messages wait for each target that has any."""
        with self._lock:
            rows = self._db.execute("SELECT target, COUNT(*) FROM outbox GROUP BY target")
            return dict(rows.fetchall())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
