"""Who has which session and how busy each worker is, in a SQLite file that all workers share.

It lies in a folder that goes with the server: nothing in it has to survive. So it
is never synced to disk, and every statement takes some tens of microseconds.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from livemood.server.peers.interface import Entry, Holding
from livemood.server.peers.placement import Share

SILENT_S: Final = 4.0
"""A worker that was not heard of for so long is left out of placement; it beats each second."""
BUSY_S: Final = 5.0

SCHEMA: Final = """
CREATE TABLE workers (n INTEGER PRIMARY KEY, load REAL, cost REAL, beat REAL) STRICT;
CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    worker INTEGER NOT NULL,
    creator TEXT NOT NULL,
    kind TEXT NOT NULL,
    parties INTEGER NOT NULL,
    waiting INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_worker ON sessions (worker);
CREATE TABLE nodes (worker INTEGER PRIMARY KEY, node INTEGER NOT NULL) STRICT;
CREATE TABLE held (
    worker INTEGER NOT NULL, what TEXT NOT NULL, whose TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (what, whose, worker)
) STRICT;
CREATE TABLE failed_logins (
    worker INTEGER NOT NULL, address TEXT NOT NULL, at REAL NOT NULL
) STRICT;
CREATE INDEX failed_by_address ON failed_logins (address);
"""
LOGINS_KEPT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Owned:
    """A session that waits or is live, and the worker that has it."""

    worker: int
    parties: int


class Directory(Protocol):
    """Who has which session, for those who serve together. Workers are known by numbers."""

    def enter(self, worker: int, entry: Entry, check: Callable[[Iterable[Holding]], None]) -> None:
        """Add a session, unless `check`, told of those of all other workers, raises."""

    def began(self, session: str, channels: int) -> None:
        """Its sound has begun."""

    def leave(self, session: str) -> None:
        """It has ended."""

    def hand_over(self, session: str, to: int) -> None:
        """It belongs to another worker."""

    def owned(self, session: str) -> Owned | None:
        """Who has a session; none if nobody has it any more."""

    def sessions(self, *, live: bool = False, but: int = -1) -> int:
        """How many there are: those that are live, or all; without those of one worker."""

    def beat(self, worker: int, load: float, cost: float) -> None:
        """A worker lives, and carries so much."""

    def shares(self) -> list[Share]:
        """What each worker carries that was heard of lately."""

    def hold(self, worker: int, what: str, whose: str, more: int) -> None:
        """A worker holds so many more of something."""

    def held(self, what: str, whose: str | None, *, but: int) -> int:
        """How many all hold without one worker; of one owner, or of all."""

    def login_failed(self, worker: int, address: str, now: float) -> None:
        """Somebody at `address` failed to log in."""

    def logins_failed(self, address: str, since: float, *, but: int) -> Sequence[float]:
        """When those at `address` failed, without what one worker noted."""


class Registry:
    """One worker's, or the supervisor's, view of it. Any thread may call.

    Every method may raise `sqlite3.Error`.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        """`new` makes the file."""
        self._lock = threading.RLock()
        if new:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA secure_delete = ON")
        if new:
            self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Nothing will follow."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # Sessions

    def enter(self, worker: int, entry: Entry, check: Callable[[Iterable[Holding]], None]) -> None:
        """Add a session, unless `check`, told of those of all other workers, raises.

        Both happen in one transaction, so that two workers cannot both take the last place.
        """
        with self._transaction() as db:
            check(
                db.execute(
                    "SELECT creator, parties * waiting FROM sessions WHERE worker != ?", (worker,)
                ).fetchall()
            )
            db.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, 1)",
                (entry.session, worker, entry.creator, entry.kind, entry.parties),
            )

    def take(self, worker: int, entry: Entry, *, waiting: bool) -> None:
        """Add a session that comes from another machine, or another worker."""
        self._rows(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
            entry.session,
            worker,
            entry.creator,
            entry.kind,
            entry.parties,
            int(waiting),
        )

    def entry(self, session: str) -> tuple[Entry, bool] | None:
        """A session, and whether it waits for its sound; none if nobody has it any more."""
        query = "SELECT session, creator, kind, parties, waiting FROM sessions WHERE session = ?"
        rows = self._rows(query, session)
        return (Entry(*rows[0][:4]), bool(rows[0][4])) if rows else None

    def began(self, session: str, channels: int) -> None:
        """Its sound has begun."""
        query = "UPDATE sessions SET waiting = 0, parties = ? WHERE session = ?"
        self._rows(query, channels, session)

    def leave(self, session: str) -> None:
        """It has ended."""
        self._rows("DELETE FROM sessions WHERE session = ?", session)

    def hand_over(self, session: str, to: int) -> None:
        """It belongs to another worker."""
        self._rows("UPDATE sessions SET worker = ? WHERE session = ?", to, session)

    def owned(self, session: str) -> Owned | None:
        """Who has a session; none if nobody has it any more."""
        query = "SELECT worker, parties FROM sessions WHERE session = ?"
        rows = self._rows(query, session)
        return Owned(*rows[0]) if rows else None

    def of(self, worker: int) -> list[str]:
        """The sessions of a worker."""
        return [s for (s,) in self._rows("SELECT session FROM sessions WHERE worker = ?", worker)]

    def sessions(self, *, live: bool = False, but: int = -1) -> int:
        """How many there are: those that are live, or all; without those of one worker."""
        query = "SELECT count(*) FROM sessions WHERE waiting <= ? AND worker != ?"
        return int(self._rows(query, 0 if live else 1, but)[0][0])

    # Workers

    def beat(self, worker: int, load: float, cost: float) -> None:
        """A worker lives, and carries so much."""
        now = time.monotonic()  # one clock for all processes of a machine
        self._rows("INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?)", worker, load, cost, now)

    def shares(self) -> list[Share]:
        """What each worker carries that was heard of lately."""
        rows = self._rows(
            "SELECT n, load, cost, "
            "(SELECT coalesce(sum(parties), 0) FROM sessions WHERE worker = n AND kind != "
            "'recording') FROM workers WHERE beat > ? ORDER BY n",
            time.monotonic() - SILENT_S,
        )
        return [Share(*row) for row in rows]

    def beats(self) -> dict[int, float]:
        """When each worker last said that it lives, on the monotonic clock."""
        return {int(n): float(beat) for n, beat in self._rows("SELECT n, beat FROM workers")}

    def note_node(self, worker: int, node: int) -> None:
        """A worker is a node of a cluster: by which number others know it."""
        self._rows("INSERT OR REPLACE INTO nodes VALUES (?, ?)", worker, node)

    def nodes(self) -> dict[int, int]:
        """The numbers of workers that are nodes of a cluster."""
        return {int(w): int(node) for w, node in self._rows("SELECT worker, node FROM nodes")}

    def forget(self, worker: int) -> None:
        """A worker is gone, with all that it had."""
        with self._transaction() as db:
            db.execute("DELETE FROM workers WHERE n = ?", (worker,))
            for table in ("sessions", "held", "failed_logins", "nodes"):
                db.execute(f"DELETE FROM {table} WHERE worker = ?", (worker,))  # noqa: S608

    # What is limited for all together

    def hold(self, worker: int, what: str, whose: str, more: int) -> None:
        """A worker holds so many more of something."""
        self._rows(
            "INSERT INTO held VALUES (?, ?, ?, ?) ON CONFLICT (what, whose, worker) "
            "DO UPDATE SET count = count + excluded.count",
            worker,
            what,
            whose,
            more,
        )

    def held(self, what: str, whose: str | None, *, but: int) -> int:
        """How many all hold without one worker; of one owner, or of all."""
        query = "SELECT coalesce(sum(count), 0) FROM held WHERE what = ? AND worker != ?"
        if whose is None:
            return int(self._rows(query, what, but)[0][0])
        return int(self._rows(f"{query} AND whose = ?", what, but, whose)[0][0])

    def login_failed(self, worker: int, address: str, now: float) -> None:
        """Somebody at `address` failed to log in."""
        with self._transaction() as db:
            db.execute("DELETE FROM failed_logins WHERE at < ?", (now - LOGINS_KEPT_S,))
            db.execute("INSERT INTO failed_logins VALUES (?, ?, ?)", (worker, address, now))

    def logins_failed(self, address: str, since: float, *, but: int) -> Sequence[float]:
        """When those at `address` failed, without what one worker noted."""
        query = "SELECT at FROM failed_logins WHERE address = ? AND at > ? AND worker != ?"
        return [at for (at,) in self._rows(query, address, since, but)]
