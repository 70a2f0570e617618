"""What is to be done after a worker that died: its sessions are ended as interrupted."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from livemood.errors import LivemoodError
from livemood.server.spec import SessionRecord
from livemood.server.storage.archive import SYSTEM
from livemood.server.storage.database import StorageError
from livemood.server.storage.folder import lock
from livemood.server.storage.postgresql.opening import open_database
from livemood.server.storage.recovery import end_interrupted
from livemood.server.storage.sound import Uploads
from livemood.server.storage.tables import Tables, open_timelines

log = logging.getLogger(__name__)


class WorkerRecovery:
    """The data folder, for the supervisor of the workers that use it: it keeps others out."""

    def __init__(self, folder: Path, policy: str, database: str | None = None) -> None:
        """Raises `LivemoodError` for a folder that cannot be used, or that another server uses."""
        with ExitStack() as undo:
            self._database = open_database(folder, database)
            undo.callback(self._database.close)
            undo.callback(lock(folder))
            try:
                self._events = open_timelines(folder, self._database)
                self._uploads = Uploads(folder / "uploads")
            except OSError as error:
                why = error.strerror or error
                raise LivemoodError(f"cannot keep data in {folder}: {why}") from None
            self._tables = Tables(self._database, policy, time.time)
            self._undo = undo.pop_all()

    def end_all(self) -> int:
        """End what an earlier server left open; how many sessions that were."""
        ended = self._end(self._tables.sessions.unfinished())
        self._events.tidy(self._has)
        return ended

    def _has(self, session: str) -> bool:
        """Whether there is a record of a session, and it is this server's: it may have moved on."""
        sessions = self._tables.sessions
        return sessions.get(session) is not None and sessions.home(session) is None

    def end_of(self, sessions: Sequence[str]) -> int:
        """End the sessions of a worker that died, as far as it had not; how many that were."""
        found = [self._tables.sessions.get(session) for session in sessions]
        for session in sessions:
            self._uploads.erase(session)
        return self._end([record for record in found if record and record.state != "ended"])

    def _end(self, records: Sequence[SessionRecord]) -> int:
        for record in records:
            try:
                self._tables.sessions.update(end_interrupted(record, self._events))
                self._events.close(record.id)
            except StorageError:
                log.exception("the end of a session cannot be kept: the next start does it")
        if records:
            self._tables.audit.note(SYSTEM, "recover", sessions=len(records))
        return len(records)

    def close(self) -> None:
        """Leave the folder to others."""
        self._undo.close()
