"""Everything that is kept: records, timelines, sound, the audit log."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from livemood.errors import LivemoodError
from livemood.server.refused import Refused, not_found
from livemood.server.spec import SessionRecord, ended_fields
from livemood.server.storage.database import Database
from livemood.server.storage.sound import Recorder
from livemood.server.storage.store import Audit, Store
from livemood.server.storage.timelines import Timelines
from livemood.server.storage.tokens import Tokens
from livemood.server.storage.writer import Writer
from livemood.timeline.events import parse_event, utc_now
from livemood.timeline.recover import interrupted_end
from livemood.timeline.timeline import Timeline

log = logging.getLogger(__name__)

SYSTEM: Final = "livemood"
"""Who the audit log names where nobody asked."""


def default_folder() -> Path:
    """Where data is kept unless the settings say otherwise."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "livemood"


class Archive:
    """The data folder of a server, which one process at a time may use."""

    def __init__(self, folder: Path, policy: str = "") -> None:
        self.database = Database(folder)
        self._unlock = _lock(folder)
        self.store = Store(self.database)
        self.audit = Audit(self.database, policy)
        self.tokens = Tokens(self.database)
        try:
            self.timelines = Timelines(folder / "timelines")
            self.recorder = Recorder(folder / "sound")
        except OSError as error:
            raise LivemoodError(f"cannot keep data in {folder}: {error.strerror}") from None
        self.writer = Writer(self.timelines)

    def recover(self) -> int:
        """End the sessions that a killed program left open; how many they were."""
        unfinished = self.store.unfinished()
        for record in unfinished:
            self.store.update(self._end(record))
        if unfinished:
            self.audit.note(SYSTEM, "recover", sessions=len(unfinished))
        return len(unfinished)

    def _end(self, record: SessionRecord) -> SessionRecord:
        fields: dict[str, object] = {"state": "ended", "ended": utc_now(), "reason": "interrupted"}
        try:
            events = [parse_event(text) for _, text in self.timelines.read(record.id)]
            end = interrupted_end(events)
            if end is not None and end.seq is not None:
                self.timelines.append(record.id, [(end.seq, end.model_dump_json())])
                self.timelines.close(record.id)
                fields = ended_fields(end)
                started = events[0]
                if record.state == "waiting":  # killed before its record was written
                    fields |= {"source": getattr(started, "source", None)}
                    fields |= {"channels": len(end.summary), "started": started.time}
            elif events and events[-1].type == "session.ended":
                fields = ended_fields(events[-1])
            elif not events:
                fields["reason"] = "unused"
        except (sqlite3.Error, ValueError):
            log.exception("a timeline cannot be read")
        return record.model_copy(update=fields)

    def events(self, session: str, after: int = 0, limit: int = -1) -> list[tuple[int, str]]:
        """Events on disk, by number. Raises `Refused` if they are being deleted."""
        try:
            return self.timelines.read(session, after, limit)
        except sqlite3.Error:
            if self.store.get(session) is None or not self.timelines.path(session).exists():
                raise not_found() from None
            log.exception("a timeline cannot be read")
            raise Refused("storage_failed", "the timeline cannot be read", 503, 10) from None

    def timeline(self, session: str) -> Timeline:
        """Everything on disk of a session."""
        return Timeline(parse_event(text) for _, text in self.events(session))

    def delete(self, sessions: Sequence[str], who: str, action: str) -> None:
        """Leave nothing of the sessions but their ids in the audit log."""
        try:
            for session in sessions:
                self._erase(session)
            self.store.remove(sessions, self.audit, who, action)
        except (OSError, sqlite3.Error) as error:
            raise Refused("storage_failed", f"cannot delete now: {error}", 503, 5) from None
        try:
            self.scrub()
        except (sqlite3.Error, LivemoodError) as error:
            raise Refused(
                "erasing",
                f"deleted, but another program reads the database ({error}); its log is emptied "
                "as soon as that ends",
                503,
            ) from None

    def _erase(self, session: str) -> None:
        self.timelines.erase(session)
        self.recorder.erase(session)

    def scrub(self) -> None:
        """Overwrite what is left of deleted records, if there may be any. Raises as SQLite does."""
        if self.database.owes_scrub:
            self.database.scrub()

    def retain(self) -> int:
        """Delete what has been kept for as long as it was to be; how many that were.

        A session whose files cannot be erased holds up no other, and is tried again the next time.
        """
        erased = []
        for session in self.store.expired():
            try:
                self._erase(session)
            except OSError:
                log.exception("a session cannot be erased: trying again later")
                continue
            erased.append(session)
        if erased:
            self.store.remove(erased, self.audit, SYSTEM, "expire")
        try:
            self.scrub()
        except (sqlite3.Error, LivemoodError) as error:
            log.warning("what was deleted is not all overwritten yet: %s", error)
        return len(erased)

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
        self.recorder.close()
        self.database.close()
        self._unlock()


def _lock(folder: Path) -> Callable[[], None]:
    """Keep other servers out of the folder. Raises `LivemoodError` if one is in it."""
    try:
        import fcntl
    except ImportError:  # Windows; there a second server finds the port taken
        return lambda: None
    file = (folder / "lock").open("w")
    deadline = time.monotonic() + 2.0  # one that was just killed may take a moment
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file.close
        except OSError:
            if time.monotonic() > deadline:
                file.close()
                raise LivemoodError(
                    f"another livemood serve keeps its data in {folder}: stop it, or choose "
                    "another folder with --data"
                ) from None
            time.sleep(0.05)
