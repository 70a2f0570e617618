"""Participants' baselines: how their voices usually sound, kept by name. Biometric data.

One belongs to whoever created the session, and to its purpose: what was kept for one purpose is not
used for another. It expires as a session does, counted from when it was last kept.
"""

import time
from collections.abc import Callable

from pydantic import BaseModel

from livemood.server.spec import SessionRecord
from livemood.server.storage.audit import Audit
from livemood.server.storage.database import MainDatabase
from livemood.timeline.events import utc_now

DAY_S = 86_400.0


class StoredBaseline(BaseModel):
    """What is told of a baseline that is kept."""

    n: int
    """Its number."""
    name: str
    """The participant."""
    purpose: str
    created_by: str
    """The token whose sessions it belongs to, by number; `local` without one."""
    consent: str
    """Reference to the consent that it was last kept by."""
    session: str
    """The session that it was last kept after."""
    updated: str
    """When that was: RFC 3339, UTC."""


class Baselines:
    """Baselines in the main database. Every method may raise `StorageError`."""

    def __init__(
        self, database: MainDatabase, audit: Audit, wall: Callable[[], float] = time.time
    ) -> None:
        self._db, self._audit, self._wall = database, audit, wall

    def get(self, record: SessionRecord, name: str) -> str | None:
        """What is kept of a participant for sessions like this one."""
        rows = self._db.rows(
            "SELECT content FROM baselines WHERE owner = ? AND purpose = ? AND name = ?",
            (record.created_by, record.purpose, name),
        )
        return str(rows[0][0]) if rows else None

    def keep(self, record: SessionRecord, name: str, content: str) -> None:
        """Keep it, in place of what was kept before; its retention begins now."""
        values = {
            "owner": record.created_by,
            "purpose": record.purpose,
            "name": name,
            "consent": record.consent or "",
            "session": record.id,
            "updated": utc_now(),
            "expires": self._wall() + record.retention_days * DAY_S,
            "content": content,
        }
        with self._db.transaction() as db:
            self._db.owe_scrub()  # what was kept before is replaced
            db.execute(
                f"INSERT INTO baselines ({', '.join(values)}) "  # noqa: S608 - names of columns
                f"VALUES ({', '.join('?' * len(values))}) "
                "ON CONFLICT (owner, purpose, name) DO UPDATE SET consent = excluded.consent, "
                "session = excluded.session, updated = excluded.updated, "
                "expires = excluded.expires, content = excluded.content",
                tuple(values.values()),
            )
            self._audit.note_within(db, record.created_by, "baseline.keep", record.id)

    def find(self) -> list[StoredBaseline]:
        """All that are kept, without their content; newest first."""
        names = ("n", "name", "purpose", "created_by", "consent", "session", "updated")
        rows = self._db.rows(
            "SELECT n, name, purpose, owner, consent, session, updated FROM baselines "
            "ORDER BY n DESC"
        )
        return [StoredBaseline(**dict(zip(names, row, strict=True))) for row in rows]

    def delete(self, number: int, who: str) -> bool:
        """Delete one, and say so in the audit log; false if there is none of that number."""
        with self._db.transaction() as db:
            self._db.owe_scrub()
            gone = db.execute("DELETE FROM baselines WHERE n = ?", (number,)).rowcount
            if gone:
                self._audit.note_within(db, who, "baseline.delete", number=number)
        return bool(gone)

    def expire(self, now: float, who: str) -> int:
        """Delete what was to be kept until `now`, Unix seconds; how many that were."""
        query = "SELECT n FROM baselines WHERE expires <= ?"
        due = self._db.rows(query, (now,))
        if not due:
            return 0
        with self._db.transaction() as db:
            self._db.owe_scrub()
            db.executemany("DELETE FROM baselines WHERE n = ?", due)
            self._audit.note_within(db, who, "baseline.expire", count=len(due))
        return len(due)
