"""Alert rules of a server, in the main database: those that were given by REST."""

from pydantic import BaseModel

from livemood.server.storage.audit import Audit
from livemood.server.storage.database import MainDatabase
from livemood.timeline.alert_rules import AlertRule
from livemood.timeline.events import utc_now


class StoredRule(BaseModel):
    """A rule, and who gave it."""

    rule: AlertRule
    created: str
    """When it was given: RFC 3339, UTC."""
    created_by: str
    """The token that gave it, by number; `local` without one."""


class AlertRuleTable:
    """Rules by their names. Every method may raise `StorageError`."""

    def __init__(self, database: MainDatabase, audit: Audit) -> None:
        self._db, self._audit = database, audit

    def add(self, rule: AlertRule, created_by: str, who: str) -> StoredRule | None:
        """Keep a rule, and say so in the audit log; none if there is one of that name."""
        kept = StoredRule(rule=rule, created=utc_now(), created_by=created_by)
        with self._db.transaction() as db:
            new = db.execute(
                "INSERT INTO alert_rules (name, rule) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (rule.name, kept.model_dump_json()),
            ).rowcount
            if new:
                self._audit.note_within(db, who, "alert.add", rule=rule.name)
        return kept if new else None

    def find(self) -> list[StoredRule]:
        """All that are kept, the oldest first."""
        rows = self._db.rows("SELECT rule FROM alert_rules ORDER BY n")
        return [StoredRule.model_validate_json(text) for (text,) in rows]

    def delete(self, name: str, who: str) -> bool:
        """Delete a rule, and say so in the audit log; false if there is none of that name."""
        with self._db.transaction() as db:
            gone = db.execute("DELETE FROM alert_rules WHERE name = ?", (name,)).rowcount
            if gone:
                self._audit.note_within(db, who, "alert.delete", rule=name)
        return bool(gone)
