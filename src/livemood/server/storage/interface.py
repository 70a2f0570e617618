"""What a server asks of its storage, whatever keeps the data.

`Archive` implements it with SQLite and files in one folder. Another implementation, a database
server say, has to satisfy these protocols and nothing else: the rest of the server knows only them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from livemood.audio import AudioBlock
from livemood.server.spec import SessionRecord, State
from livemood.server.storage.alert_rules import StoredRule
from livemood.server.storage.baselines import StoredBaseline
from livemood.server.storage.database import StorageError
from livemood.server.storage.timelines import Row
from livemood.server.storage.tokens import TokenInfo
from livemood.timeline.alert_rules import AlertRule

__all__ = [
    "AlertRuleStore",
    "AuditLog",
    "EventStore",
    "SessionStore",
    "SoundStore",
    "SoundTrack",
    "Storage",
    "StorageError",
    "TokenStore",
    "UploadStore",
]

if TYPE_CHECKING:
    from livemood.server.storage.writer import Writer


class SessionStore(Protocol):
    """Records of sessions. Every method raises `StorageError` when it cannot do its work."""

    def add(self, record: SessionRecord) -> None:
        """Keep a new session."""

    def update(self, record: SessionRecord) -> None:
        """Keep what has become of a session. Its retention begins when it has ended."""

    def get(self, session: str) -> SessionRecord | None:
        """The session's record."""

    def home(self, session: str) -> str | None:
        """The server that keeps the session's sound, by its name; none if that is this one."""

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
        """Sessions with their numbers, newest first, from before number `before` on."""


class EventStore(Protocol):
    """Events of sessions, in the order of their sequence numbers."""

    def append(self, session: str, rows: Sequence[Row]) -> None:
        """Write events, all or none. Raises `StorageError`. One thread calls this and `close`."""

    def close(self, session: str) -> None:
        """Nothing more will be written of the session. Raises `StorageError`."""

    def forget(self, session: str) -> None:
        """Leave nothing here of a session that went on elsewhere. By the writer's thread."""

    def keep(self, session: str, rows: Sequence[Row]) -> None:
        """Keep a whole timeline of an ended session, unless there is one. Raises `StorageError`."""

    def read(self, session: str, after: int = 0, limit: int = -1) -> list[Row]:
        """The events after number `after`, at most `limit` of them. Raises `StorageError`."""

    def last(self, session: str) -> int:
        """The number of the last event; 0 if there is none. Raises `StorageError`."""


class TokenStore(Protocol):
    """Bearer tokens."""

    def find(self, token: str) -> TokenInfo | None:
        """What is kept of a token; none if it is unknown, expired or revoked."""

    def holds(self, number: int) -> bool:
        """Whether the token of that number can still be used."""

    @property
    def any(self) -> bool:
        """Whether one was ever made."""


class AuditLog(Protocol):
    """Who did what."""

    def note(self, who: str, action: str, session: str | None = None, **detail: object) -> None:
        """Write a line. Raises `StorageError`."""

    def lines(self, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest lines before number `before`, newest first."""


class BaselineStore(Protocol):
    """How participants' voices usually sound. Every method may raise `StorageError`."""

    def get(self, record: SessionRecord, name: str) -> str | None:
        """What is kept of a participant for sessions like this one."""

    def keep(self, record: SessionRecord, name: str, content: str) -> None:
        """Keep it, in place of what was kept before; its retention begins now."""

    def find(self) -> list[StoredBaseline]:
        """All that are kept, without their content; newest first."""

    def delete(self, number: int, who: str) -> bool:
        """Delete one, and say so in the audit log; false if there is none of that number."""


class AlertRuleStore(Protocol):
    """Alert rules that were given by REST. Every method may raise `StorageError`."""

    def add(self, rule: AlertRule, created_by: str, who: str) -> StoredRule | None:
        """Keep a rule, and say so in the audit log; none if there is one of that name."""

    def find(self) -> list[StoredRule]:
        """All that are kept, the oldest first."""

    def delete(self, name: str, who: str) -> bool:
        """Delete a rule, and say so in the audit log; false if there is none of that name."""


class SoundTrack(Protocol):
    """The sound of one session while it is recorded."""

    @property
    def settled(self) -> bool:
        """Whether nothing more will be written."""

    def push(self, block: AudioBlock) -> None:
        """Take the next block. Never waits."""

    def finish(self) -> None:
        """No more sound will come."""


class SoundStore(Protocol):
    """Sound of sessions whose creators asked to keep it."""

    def open(self, session: str, rate: int, channels: int) -> SoundTrack:
        """Record a session's sound from now on."""

    def path(self, session: str) -> Path:
        """The file that holds a session's sound, if there is one."""


class UploadStore(Protocol):
    """Recordings that were uploaded and are not read yet."""

    def path(self, session: str) -> Path:
        """The file that holds a session's recording, if there is one."""

    def open(self, session: str) -> BinaryIO:
        """A new file for a session's recording. Raises `OSError`."""

    def erase(self, session: str) -> None:
        """Leave nothing of a session's recording."""

    @property
    def free_bytes(self) -> int:
        """Room that there is for more."""


class Storage(Protocol):
    """Everything that a server keeps. Any thread may call any method unless it says otherwise."""

    @property
    def sessions(self) -> SessionStore:
        """Records of sessions."""

    @property
    def events(self) -> EventStore:
        """Their events."""

    @property
    def tokens(self) -> TokenStore:
        """Who may use the server."""

    @property
    def audit(self) -> AuditLog:
        """Who did what."""

    @property
    def baselines(self) -> BaselineStore:
        """How participants' voices usually sound."""

    @property
    def alert_rules(self) -> AlertRuleStore:
        """Alert rules that were given by REST."""

    @property
    def sound(self) -> SoundStore:
        """Kept sound."""

    @property
    def uploads(self) -> UploadStore:
        """Recordings that wait to be read."""

    @property
    def writer(self) -> "Writer":
        """The thread that writes events."""

    @property
    def folder(self) -> Path:
        """Where files without a name may be written for a while."""

    on_erase: Callable[[str], None]
    """Called with each session that is deleted, for what others keep of it."""

    @property
    def failing(self) -> str | None:
        """Why data cannot be kept now, if so."""

    def recover(self) -> int:
        """End the sessions that a killed program left open; how many they were."""

    def read(self, session: str, after: int = 0, limit: int = -1) -> list[Row]:
        """Events of a session. Raises `Refused` if there are none to be had."""

    def delete(self, sessions: Sequence[str], who: str, action: str) -> None:
        """Leave nothing of the sessions but their ids in the audit log. Raises `Refused`."""

    def retain(self) -> int:
        """Delete what has been kept for as long as it was to be; how many sessions that were."""

    def close(self) -> None:
        """Write what is left."""
