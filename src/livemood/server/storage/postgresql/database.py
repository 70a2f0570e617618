"""The main database in PostgreSQL."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import psycopg

from livemood.errors import LivemoodError
from livemood.server.storage.clock import Seen
from livemood.server.storage.postgresql.line import AWAY, Connection, Line, Reconnecting, message_of
from livemood.server.storage.postgresql.schema import prepare

CONNECT_S: Final = 3
STATEMENT_MS: Final = 60_000
UNANSWERED_MS: Final = 5000
"""After so long without an answer to a packet a connection is given up."""


class PostgresDatabase:
    """A `MainDatabase` that several servers share: one line to write, another to read.

    Deleted rows are PostgreSQL's to overwrite: it does so as it vacuums.
    """

    shared = True
    contains = "strpos(words, ?) > 0"
    own = "node = current_setting('livemood.node')"
    claim = ", node = current_setting('livemood.node')"

    def __init__(self, url: str, node: str) -> None:
        """`url` as libpq reads it, without a password; `node` is this server's name among others.

        Raises `LivemoodError` if it cannot be reached or used.
        """
        self.url, self.node = url, node
        try:
            connection = self._connect()
            with connection:
                prepare(connection)
            lines = Line(self._connect), Line(self._connect)
        except psycopg.Error as error:
            raise LivemoodError(
                f"the database cannot be used: {message_of(error)}: check --database, and that the "
                "password is in PGPASSWORD or ~/.pgpass"
            ) from None
        self._writing, self._reading = lines
        self._lines = Reconnecting(lines, self._connect)
        self._closed = threading.Event()

    def _connect(self) -> Connection:
        connection = psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=CONNECT_S,
            application_name="livemood",
            tcp_user_timeout=UNANSWERED_MS,
            keepalives_idle=2,
            keepalives_interval=1,
            keepalives_count=3,
        )
        settings = (
            ("search_path", "livemood"),
            ("livemood.node", self.node),
            ("statement_timeout", str(STATEMENT_MS)),
        )
        for setting in settings:
            connection.execute("SELECT set_config(%s, %s, false)", setting)
        return connection

    @property
    def failing(self) -> str | None:
        """Why nothing can be kept now, if so."""
        return AWAY if self._lines.lost else None

    def clock(self) -> Seen | None:
        """What this server last kept of the clock."""
        rows = self.rows(f"SELECT time, doubted_s FROM clock WHERE {self.own}")  # noqa: S608
        return Seen(*rows[0]) if rows else None

    def keep_clock(self, seen: Seen) -> None:
        """Keep what was seen of the clock. Raises `StorageError`."""
        with self.transaction() as db:
            db.execute(
                "INSERT INTO clock (time, doubted_s) VALUES (?, ?) ON CONFLICT (node) "
                "DO UPDATE SET time = excluded.time, doubted_s = excluded.doubted_s",
                (seen.time, seen.doubted_s),
            )

    @contextmanager
    def transaction(self) -> Iterator["_Statements"]:
        """Everything inside happens, or nothing. Raises `StorageError`."""
        with self._writing.use() as connection, connection.transaction():
            yield _Statements(connection)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What `query` finds in what has been committed. Raises `StorageError`."""
        with self._reading.use() as connection:
            return connection.execute(_dialect(query), _clean(values)).fetchall()

    owes_scrub = False

    def owe_scrub(self) -> None:
        """Nothing: PostgreSQL looks after its files."""

    def scrub(self) -> None:
        """Nothing, as before."""

    def close(self) -> None:
        """Nothing will follow."""
        self._lines.close()


class _Statements:
    """A transaction that is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        return self._connection.execute(_dialect(statement), _clean(values))

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_dialect(statement), map(_clean, values))


@lru_cache(256)
def _dialect(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")


def _clean(values: Sequence[Any]) -> tuple[Any, ...]:
    """PostgreSQL's text has no U+0000. Records have it escaped; elsewhere it is replaced."""
    return tuple(v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in values)
