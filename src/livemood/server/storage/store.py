"""Records of sessions and the audit log, in the main database."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from livemood.server.spec import SessionRecord, State
from livemood.server.storage.audit import Audit
from livemood.server.storage.database import MainDatabase

log = logging.getLogger(__name__)

DAY_S = 86_400.0


class Store:
    """What is known of every session, kept or running."""

    def __init__(self, database: MainDatabase, wall: Callable[[], float] = time.time) -> None:
        self._db, self._wall = database, wall

    def add(self, record: SessionRecord) -> None:
        """Keep a new session."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO sessions (id, state, purpose, words, record) VALUES (?, ?, ?, ?, ?)",
                (
                    record.id,
                    record.state,
                    record.purpose,
                    _words(record),
                    record.model_dump_json(),
                ),
            )

    def update(self, record: SessionRecord) -> None:
        """Keep what has become of a session; its retention begins when it has ended.

        One that has ended stays as it is.
        """
        expires = self._wall() + record.retention_days * DAY_S if record.state == "ended" else None
        with self._db.transaction() as db:
            db.execute(
                "UPDATE sessions SET state = ?, expires = ?, words = ?, "  # noqa: S608
                f"record = ?{self._db.claim} WHERE id = ? AND state != 'ended'",
                (
                    record.state,
                    expires,
                    _words(record),
                    record.model_dump_json(),
                    record.id,
                ),
            )

    def get(self, session: str) -> SessionRecord | None:
        """The session's record."""
        rows = self._db.rows("SELECT record FROM sessions WHERE id = ?", (session,))
        return _record(rows[0][0]) if rows else None

    def home(self, session: str) -> str | None:
        """The server that keeps the session's sound, by its name; none if that is this one."""
        if not self._db.shared:
            return None
        query = f"SELECT node FROM sessions WHERE id = ? AND NOT {self._db.own}"  # noqa: S608
        rows = self._db.rows(query, (session,))
        return str(rows[0][0]) if rows else None

    def find(
        self,
        *,
        state: State | None = None,
        purpose: str | None = None,
        text: str | None = None,
        session: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[tuple[int, SessionRecord]]:
        """Sessions with their numbers, newest first, from before number `before` on.

        `text` is looked for in the id, the source, participants and consent, by any case.
        """
        where, values = ["1 = 1"], list[Any]()
        for condition, value in (
            ("state = ?", state),
            ("purpose = ?", purpose),
            ("id = ?", session),
            ("n < ?", before),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        if text:
            where.append(self._db.contains)
            values.append(text.casefold())
        query = (
            f"SELECT n, record FROM sessions WHERE {' AND '.join(where)} ORDER BY n DESC LIMIT ?"  # noqa: S608 - values are bound
        )
        rows = self._db.rows(query, (*values, limit))
        return [(n, found) for n, record in rows if (found := _record(record))]

    def unfinished(self) -> list[SessionRecord]:
        """Sessions that had not ended when the program was killed."""
        rows = self._db.rows(
            f"SELECT record FROM sessions WHERE state != 'ended' AND {self._db.own}"  # noqa: S608
        )
        return [found for (record,) in rows if (found := _record(record))]

    def expired(self, now: float) -> list[str]:
        """Ids of sessions that were to be kept until `now`, Unix seconds, or less."""
        query = f"SELECT id FROM sessions WHERE expires <= ? AND {self._db.own}"  # noqa: S608
        return [session for (session,) in self._db.rows(query, (now,))]

    def unknown(self, sessions: Sequence[str]) -> list[str]:
        """Those of which there is no record."""
        query = "SELECT 1 FROM sessions WHERE id = ?"
        return [session for session in sessions if not self._db.rows(query, (session,))]

    def remove(self, sessions: Sequence[str], audit: Audit, who: str, action: str) -> None:
        """Delete the sessions' records, and say so in the audit log; traces are left to `scrub`."""
        with self._db.transaction() as db:
            self._db.owe_scrub()
            db.executemany("DELETE FROM sessions WHERE id = ?", [(s,) for s in sessions])
            audit.forget_within(db, sessions)
            for session in sessions:
                audit.note_within(db, who, action, session)


def _record(text: str) -> SessionRecord | None:
    try:
        return SessionRecord.model_validate_json(text)
    except ValidationError:
        log.error("the record of a session is damaged: it is passed over")
        return None


def _words(record: SessionRecord) -> str:
    """What a session is looked for by."""
    found = (record.id, record.source or "", *record.participants, record.consent or "")
    return "\n".join(found).casefold()
