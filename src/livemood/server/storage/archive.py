"""Everything that is kept: records, timelines, sound, the audit log."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from livemood.server.refused import Refused, not_found
from livemood.server.storage.clock import GRACE_S, TrustedClock
from livemood.server.storage.database import Database, MainDatabase, StorageError
from livemood.server.storage.folder import Keeper, lock, private_folder
from livemood.server.storage.recovery import end_interrupted
from livemood.server.storage.sound import Recorder, Uploads
from livemood.server.storage.tables import Tables, open_timelines
from livemood.server.storage.writer import Writer

log = logging.getLogger(__name__)

SYSTEM: Final = "livemood"
"""Who the audit log names where nobody asked."""


class Archive:
    """The data folder of a server, which one server at a time may use. It is a `Storage`.

    With a database elsewhere the folder holds timelines of live sessions, sound and uploads.
    """

    def __init__(
        self,
        folder: Path,
        policy: str = "",
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        keeper: Keeper | None = None,
        database: MainDatabase | None = None,
    ) -> None:
        """Raises `StorageError` for a folder that cannot be used.

        Without `keeper` the folder is this process's alone. With one, whoever started the processes
        has locked it, and cleared what an earlier server left. `database` is closed at the end; by
        default it is in the folder.
        """
        self.folder, self._keeper = folder, keeper
        with ExitStack() as undo:
            self.database: MainDatabase = database or Database(folder)
            undo.callback(self.database.close)
            self._unlock = lock(folder) if keeper is None else keeper.close
            undo.callback(self._unlock)
            try:
                private_folder(folder)
                self.events = open_timelines(folder, self.database)
                self.uploads = Uploads(folder / "uploads", clear=keeper is None)
                self.sound = Recorder(folder / "sound")
            except OSError as error:
                raise StorageError(
                    f"cannot keep data in {folder}: {error.strerror or error}"
                ) from None
            undo.pop_all()
        self._wall, self._monotonic = wall, monotonic
        self.clock = TrustedClock(self.database.clock(), wall(), monotonic())
        if self.clock.doubted:
            log.warning(
                "the clock is far ahead of when this folder was last used: nothing is deleted "
                "until it has said so for %g hours",
                GRACE_S / 3600,
            )
        tables = Tables(self.database, policy, wall, lambda: max(self.clock.latest, wall()))
        self.sessions, self.audit, self.tokens = tables.sessions, tables.audit, tables.tokens
        self.baselines, self.alert_rules = tables.baselines, tables.alert_rules
        self.writer = Writer(self.events)
        self.on_erase: Callable[[str], None] = lambda _: None
        """Called with each session that is deleted, for what others keep of it."""

    @property
    def failing(self) -> str | None:
        """Why data cannot be kept now, if so."""
        return self.database.failing or self.writer.failing

    def recover(self) -> int:
        """End the sessions that a killed program left open; how many they were."""
        unfinished = self.sessions.unfinished()
        for record in unfinished:
            self.sessions.update(end_interrupted(record, self.events))
            self.events.close(record.id)
        self.events.tidy(self._has)
        if unfinished:
            self.audit.note(SYSTEM, "recover", sessions=len(unfinished))
        return len(unfinished)

    def _has(self, session: str) -> bool:
        """Whether there is a record of a session, and it is this server's: it may have moved on."""
        return self.sessions.get(session) is not None and self.sessions.home(session) is None

    def read(self, session: str, after: int = 0, limit: int = -1) -> list[tuple[int, str]]:
        """Events on disk, by number. Raises `Refused` if they are being deleted."""
        try:
            return self.events.read(session, after, limit)
        except StorageError:
            if self.sessions.get(session) is None or not self.events.path(session).exists():
                raise not_found() from None
            log.error("a timeline cannot be read")
            log.debug("why a timeline cannot be read", exc_info=True)
            raise Refused("storage_failed", "the timeline cannot be read", 503, 10) from None

    def delete(self, sessions: Sequence[str], who: str, action: str) -> None:
        """Leave nothing of the sessions but their ids in the audit log."""
        try:
            for session in sessions:
                self._erase(session)
            self.sessions.remove(sessions, self.audit, who, action)
        except (OSError, StorageError) as error:
            raise Refused("storage_failed", f"cannot delete now: {error}", 503, 5) from None
        try:
            self.scrub()
        except StorageError as error:
            raise Refused(
                "erasing",
                f"deleted, but another program reads the database ({error}); its log is emptied "
                "as soon as that ends",
                503,
            ) from None

    def _erase(self, session: str) -> None:
        self.events.erase(session)
        self.sound.erase(session)
        self.uploads.erase(session)
        self.on_erase(session)

    def scrub(self) -> None:
        """Overwrite what is left of deleted records, if there may be any. Raises as SQLite does."""
        if self.database.owes_scrub:
            self.database.scrub()

    def retain(self) -> int:
        """Delete what has been kept for as long as it was to be; how many that were.

        A session whose files cannot be erased holds up no other, and is tried again the next time.
        Of several processes one does this.
        """
        mine = self._keeper is None or self._keeper.may("retention")
        erased, due = [], self._due(keep=mine)
        if not mine:
            return 0
        if self.database.shared:
            self._erase_unknown()
        for session in self.sessions.expired(due):
            try:
                self._erase(session)
            except OSError as error:  # its text would name the file, and so the session
                log.error("a session cannot be erased (%s): trying later", error.strerror)
                continue
            erased.append(session)
        if erased:
            self.sessions.remove(erased, self.audit, SYSTEM, "expire")
        self.baselines.expire(due, SYSTEM)
        self.audit.prune()
        try:
            self.scrub()
        except StorageError as error:
            log.warning("what was deleted is not all overwritten yet: %s", error)
        return len(erased)

    def _erase_unknown(self) -> None:
        """Erase sound of sessions that were deleted at another server."""
        for session in self.sessions.unknown(self.sound.sessions()):
            try:
                self.sound.erase(session)
            except OSError as error:
                log.error("sound cannot be erased (%s): trying later", error.strerror)

    def _due(self, *, keep: bool) -> float:
        """What was to be kept until then may go, Unix seconds; minus infinity: nothing may."""
        doubted = self.clock.doubted
        self.clock.observe(self._wall(), self._monotonic())
        if keep:
            self.database.keep_clock(self.clock.state)
        if self.clock.doubted and not doubted:
            log.warning("the clock jumped ahead: nothing is deleted for %g hours", GRACE_S / 3600)
        elif doubted and not self.clock.doubted:
            log.warning("the clock is believed again: what is due is deleted")
        return -math.inf if self.clock.expiry is None else self.clock.expiry

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
        self.sound.close()
        self.database.close()
        self._unlock()
