"""The audit log: who did what, in the main database."""

import json
from collections.abc import Sequence
from typing import Any, Final

from livemood.server.storage.database import MainDatabase, Statements
from livemood.timeline.events import utc_now

ROUTINE: Final = ("refused", "read", "watch", "mark", "export")
"""What programs do over and over."""
ROUTINE_LINES: Final = 100_000
"""Routine lines are kept among this many of the newest lines."""
MOST_LINES: Final = 1_000_000
"""Other lines are kept among this many."""


class Audit:
    """Who did what: never what was said of a session, only its id.

    It is bounded: lines beyond the newest `MOST_LINES` go, and routine ones earlier, so that a
    flood of requests pushes out other routine lines and not who created or deleted what.
    """

    def __init__(self, database: MainDatabase, policy: str) -> None:
        self._db, self._policy = database, policy
        self._pruned = 0

    def note(self, who: str, action: str, session: str | None = None, **detail: object) -> None:
        """Write a line. Raises `StorageError`."""
        with self._db.transaction() as db:
            self.note_within(db, who, action, session, **detail)

    def note_within(
        self,
        db: Statements,
        who: str,
        action: str,
        session: str | None = None,
        **detail: object,
    ) -> None:
        """Write a line in a transaction that is open."""
        db.execute(
            "INSERT INTO audit (time, who, action, session, detail, policy) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (utc_now(), who, action, session, json.dumps(detail), self._policy),
        )

    def forget_within(self, db: Statements, sessions: Sequence[str]) -> None:
        """In a transaction that is open: leave of lines about the sessions only who did what."""
        db.executemany(
            "UPDATE audit SET detail = '{}' WHERE session = ? AND action = 'create'",
            [(session,) for session in sessions],
        )

    def lines(self, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest lines before number `before`, newest first. Raises `StorageError`."""
        where, values = ("", ()) if before is None else ("WHERE n < ? ", (before,))
        rows = self._db.rows(
            "SELECT n, time, who, action, session, detail, policy FROM audit "  # noqa: S608
            f"{where}ORDER BY n DESC LIMIT ?",
            (*values, limit),
        )
        keys = ("n", "time", "who", "action", "session", "detail", "policy")
        lines = [dict(zip(keys, row, strict=True)) for row in rows]
        return [line | {"detail": json.loads(line["detail"])} for line in lines]

    def prune(self) -> None:
        """Delete lines beyond those that are kept. Raises `StorageError`."""
        (newest,) = self._db.rows("SELECT coalesce(max(n), 0) FROM audit")[0]
        if newest - self._pruned <= ROUTINE_LINES:
            return
        since, until = max(0, self._pruned - ROUTINE_LINES), newest - ROUTINE_LINES
        marks = ", ".join("?" * len(ROUTINE))
        with self._db.transaction() as db:
            db.execute(
                f"DELETE FROM audit WHERE n > ? AND n <= ? AND action IN ({marks})",  # noqa: S608
                (since, until, *ROUTINE),
            )
            db.execute("DELETE FROM audit WHERE n <= ?", (newest - MOST_LINES,))
        self._pruned = newest - ROUTINE_LINES + ROUTINE_LINES // 100
