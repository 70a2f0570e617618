"""Records of sessions and the audit log, in the main database."""

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from livemood.server.spec import SessionRecord, State
from livemood.server.storage.database import Database
from livemood.timeline.events import utc_now

DAY_S = 86_400.0


class Store:
    """What is known of every session, kept or running."""

    def __init__(self, database: Database) -> None:
        self._db = database

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
        """Keep what has become of a session; its retention begins when it has ended."""
        expires = time.time() + record.retention_days * DAY_S if record.state == "ended" else None
        with self._db.transaction() as db:
            db.execute(
                "UPDATE sessions SET state = ?, expires = ?, words = ?, record = ? WHERE id = ?",
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
        return SessionRecord.model_validate_json(rows[0][0]) if rows else None

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
        where, values = ["1"], list[Any]()
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
            where.append("instr(words, ?)")
            values.append(text.casefold())
        query = (
            f"SELECT n, record FROM sessions WHERE {' AND '.join(where)} ORDER BY n DESC LIMIT ?"  # noqa: S608 - values are bound
        )
        rows = self._db.rows(query, (*values, limit))
        return [(n, SessionRecord.model_validate_json(record)) for n, record in rows]

    def unfinished(self) -> list[SessionRecord]:
        """Sessions that had not ended when the program was killed."""
        rows = self._db.rows("SELECT record FROM sessions WHERE state != 'ended'")
        return [SessionRecord.model_validate_json(record) for (record,) in rows]

    def expired(self) -> list[str]:
        """Ids of sessions that have been kept for as long as they are to be."""
        query = "SELECT id FROM sessions WHERE expires <= ?"
        return [session for (session,) in self._db.rows(query, (time.time(),))]

    def remove(self, sessions: Sequence[str], audit: "Audit", who: str, action: str) -> None:
        """Delete the sessions' records, and say so in the audit log; traces are left to `scrub`."""
        self._db.owe_scrub()
        with self._db.transaction() as db:
            db.executemany("DELETE FROM sessions WHERE id = ?", [(s,) for s in sessions])
            for session in sessions:
                audit.note(who, action, session, inside=db)


def _words(record: SessionRecord) -> str:
    """What a session is looked for by."""
    found = (record.id, record.source or "", *record.participants, record.consent or "")
    return "\n".join(found).casefold()


class Audit:
    """Who did what: never what was said of a session, only its id."""

    def __init__(self, database: Database, policy: str) -> None:
        self._db, self._policy = database, policy

    def note(
        self,
        who: str,
        action: str,
        session: str | None = None,
        *,
        inside: sqlite3.Connection | None = None,
        **detail: Any,  # noqa: ANN401 - JSON
    ) -> None:
        """Write a line; `inside` a transaction that is open, or in one of its own."""
        line = (utc_now(), who, action, session, json.dumps(detail), self._policy)
        with nullcontext(inside) if inside else self._db.transaction() as db:
            db.execute(
                "INSERT INTO audit (time, who, action, session, detail, policy) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                line,
            )

    def lines(self, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest lines before number `before`, newest first."""
        rows = self._db.rows(
            "SELECT n, time, who, action, session, detail, policy FROM audit "
            "WHERE ? IS NULL OR n < ? ORDER BY n DESC LIMIT ?",
            (before, before, limit),
        )
        keys = ("n", "time", "who", "action", "session", "detail", "policy")
        lines = [dict(zip(keys, row, strict=True)) for row in rows]
        return [line | {"detail": json.loads(line["detail"])} for line in lines]
