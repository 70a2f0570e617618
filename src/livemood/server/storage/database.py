"""The main database: sessions, tokens and the audit log. What it must do, and that in SQLite."""

import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from livemood.errors import LivemoodError, reason
from livemood.server.storage.clock import Seen
from livemood.server.storage.folder import private_folder


class StorageError(LivemoodError):
    """Data cannot be read or written now. Trying again later may help."""


log = logging.getLogger(__name__)

VERSION = 4
BUSY_S = 5.0
"""How long to wait for another process: `livemood token`, a backup."""

SCHEMA = """
CREATE TABLE sessions (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires REAL,
    words TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_expiry ON sessions (expires);
CREATE INDEX sessions_by_state ON sessions (state);
CREATE TABLE tokens (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    session TEXT,
    created TEXT NOT NULL,
    expires REAL,
    revoked TEXT
) STRICT;
CREATE TABLE audit (
    n INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    session TEXT,
    detail TEXT NOT NULL,
    policy TEXT NOT NULL
) STRICT;
"""
SINCE_1 = """
CREATE INDEX audit_by_session ON audit (session);
CREATE TABLE clock (time REAL NOT NULL, doubted_s REAL NOT NULL) STRICT;
"""
"""What version 2 adds to version 1."""
SINCE_2 = """
CREATE TABLE baselines (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    purpose TEXT NOT NULL,
    name TEXT NOT NULL,
    consent TEXT NOT NULL,
    session TEXT NOT NULL,
    updated TEXT NOT NULL,
    expires REAL NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (owner, purpose, name)
) STRICT;
CREATE INDEX baselines_by_expiry ON baselines (expires);
"""
"""What version 3 adds to version 2."""
SINCE_3 = """
CREATE TABLE alert_rules (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    rule TEXT NOT NULL
) STRICT;
"""
"""What version 4 adds to version 3."""


class Result(Protocol):
    """What a statement did."""

    @property
    def rowcount(self) -> int:
        """Rows that it changed."""


class Statements(Protocol):
    """A transaction that is open. Statements mark values by `?`."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Result:
        """Run a statement."""

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> object:
        """Run it once for each of the values."""


class MainDatabase(Protocol):
    """What the tables need of a database.

    Any thread may call. Every method may raise `StorageError`.
    """

    shared: bool
    """Whether other servers may use it as well."""
    contains: str
    """The condition that a column `words` contains a value."""
    own: str
    """The condition that a session is this server's, where several share the database."""
    claim: str
    """What an update of a session adds, so that it is this server's from now on."""

    @property
    def failing(self) -> str | None:
        """Why nothing can be kept now, if so."""

    def clock(self) -> Seen | None:
        """What was last kept of the clock."""

    def keep_clock(self, seen: Seen) -> None:
        """Keep what was seen of the clock."""

    def transaction(self) -> AbstractContextManager[Statements]:
        """Everything inside happens, or nothing."""

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What `query` finds in what has been committed."""

    @property
    def owes_scrub(self) -> bool:
        """Whether rows were deleted of which there may still be traces."""

    def owe_scrub(self) -> None:
        """Note that rows are being deleted."""

    def scrub(self) -> None:
        """Leave no trace of deleted rows."""

    def close(self) -> None:
        """Nothing will follow."""


class Database:
    """The same in a SQLite file.

    One connection that threads take turns with to write, another to read. Readers of a write-ahead
    log wait for no writer, here or in another program.

    Deleted content is overwritten with zeros (`secure_delete`); see `scrub` for what moved.
    """

    shared = False
    contains = "instr(words, ?)"
    own = "1 = 1"
    claim = ""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "livemood.db"
        self._owed = folder / "scrub"
        self._lock, self._reading = threading.RLock(), threading.Lock()
        try:
            private_folder(folder)
            if not self.path.exists():
                self.path.touch(mode=0o600)
            self._connection = connect(self.path)
            self._prepare()
            self._reader = connect(self.path)
            self._inode = self.path.stat().st_ino
        except OSError as error:
            raise LivemoodError(
                f"cannot keep data in {folder}: {reason(error)}: choose another folder with --data"
            ) from None
        except (sqlite3.Error, StorageError) as error:
            raise LivemoodError(
                f"cannot keep data in {folder}: {error}: put a backup of {self.path.name} "
                "in its place, or choose another folder with --data"
            ) from None

    def _prepare(self) -> None:
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise LivemoodError(f"{self.path} was written by a later livemood: update this one")
            for since, statements in enumerate((SCHEMA, SINCE_1, SINCE_2, SINCE_3)):
                if version <= since:
                    for statement in statements.split(";"):
                        connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")

    @property
    def failing(self) -> str | None:
        """Whether the file is no more where it was opened."""
        try:
            there = self.path.stat().st_ino == self._inode
        except OSError:
            there = False
        return None if there else "the data folder was removed"

    def clock(self) -> Seen | None:
        """What was last kept of the clock."""
        rows = self.rows("SELECT time, doubted_s FROM clock")
        return Seen(*rows[0]) if rows else None

    def keep_clock(self, seen: Seen) -> None:
        """Keep what was seen of the clock. Raises `StorageError`."""
        with self.transaction() as db:
            db.execute("DELETE FROM clock")
            db.execute("INSERT INTO clock VALUES (?, ?)", (seen.time, seen.doubted_s))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside happens, or nothing. Raises `StorageError`."""
        with storage_errors(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What `query` finds in what has been committed. Raises `StorageError`."""
        with storage_errors(), self._reading:
            return self._reader.execute(query, values).fetchall()

    @property
    def owes_scrub(self) -> bool:
        """Whether rows were deleted of which there may still be traces."""
        return self._owed.exists()

    def owe_scrub(self) -> None:
        """Note, for whoever comes after us, that rows are being deleted.

        Within the transaction that does it: see `scrub`. Each note is another one.
        """
        self._owed.touch(mode=0o600)
        self._owed.write_bytes(secrets.token_bytes(8))

    def scrub(self) -> None:
        """Leave no trace of deleted rows in the files.

        SQLite copies rows between pages when it balances its trees, and copies stay behind in the
        unused parts of pages, which `secure_delete` does not reach. The file is small, so it is
        written anew; the log, which holds old pages, is emptied. Raises `StorageError`.
        """
        owed = self._owed.read_bytes() if self._owed.exists() else b""
        with storage_errors(), self._lock:
            self._connection.execute("VACUUM")
            (blocked, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if blocked:
            raise StorageError(f"{self.path} is in use: what was deleted is still in its log")
        with self.transaction():  # nobody deletes: whoever did since then noted something else
            if self._owed.exists() and self._owed.read_bytes() == owed:
                self._owed.unlink()

    def close(self) -> None:
        """Nothing will follow."""
        with self._lock, self._reading:
            self._reader.close()
            self._connection.close()


@contextmanager
def storage_errors() -> Iterator[None]:
    """What SQLite raises inside leaves as `StorageError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(str(error)) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection with write-ahead log, in autocommit mode. Raises `sqlite3.Error`."""
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def check(path: Path) -> str:
    """`ok`, or what SQLite finds wrong with the file."""
    with closing(connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def erase_left(folder: Path) -> None:
    """Erase what a program that was killed in the middle of it left."""
    for left in folder.glob("*.erasing"):
        try:
            erase(left)
        except OSError as error:
            log.error("a file that was being erased cannot be: %s", error.strerror)


def erase(path: Path) -> None:
    """Overwrite a file with zeros and remove it. A file that is gone is none to erase."""
    doomed = path.with_name(path.name + ".erasing")
    try:
        path.replace(doomed)
        with doomed.open("r+b") as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 20)))
            file.flush()
            os.fsync(file.fileno())
        doomed.unlink()
    except FileNotFoundError:
        pass
