"""A session while its sound comes in."""

import threading
import time
from concurrent.futures import Future

from livemood.audio import AudioBlock
from livemood.engine.hub import HubSession, Reason
from livemood.server.monitor.log import Entry, EventLog
from livemood.server.sessions.pace import Pace
from livemood.server.spec import SessionRecord, ended_fields
from livemood.server.storage.sound import Recording
from livemood.timeline.events import AnyEvent, Emotion, Load, Marker, SessionEnded


class OpenSession:
    """A session that waits for sound, or gets it: its record and the log of its events.

    `record` is changed by the event loop's thread, or under the registry's lock; the log belongs
    to the event loop.
    """

    HISTORY = 512
    """Events in memory; older ones are read from disk."""

    def __init__(self, record: SessionRecord) -> None:
        self.record = record
        self.log = EventLog(self.HISTORY)
        self.log.session = record.id
        self.since = time.monotonic()
        self.live: LiveSession | None = None
        self.settled = threading.Event()
        """Set once everything of the session is on disk, its end included."""
        self.superseded: dict[int | None, int] = {}
        """Windows given up so far, by channel."""
        self._behind: dict[int | None, bool] = {}

    def take(self, event: AnyEvent, text: str) -> None:
        """Take the next event, serialised."""
        assert event.seq is not None  # noqa: S101 - what a monitor emits is numbered
        self._note(event)
        self.log.append(Entry(event.seq, text, isinstance(event, Emotion)))
        if isinstance(event, SessionEnded):
            self.log.close()

    def _note(self, event: AnyEvent) -> None:
        if isinstance(event, Emotion) and event.channel is not None:
            if self.record.labels[event.channel] != event.label:
                labels = list(self.record.labels)
                labels[event.channel] = event.label
                self._change(labels=tuple(labels))
        elif isinstance(event, Load):
            self._behind[event.channel] = event.behind
            self._change(behind=any(self._behind.values()))
        elif isinstance(event, SessionEnded):
            self._change(**ended_fields(event))

    def _change(self, **fields: object) -> None:
        self.record = self.record.model_copy(update=fields)


class LiveSession:
    """What an input pushes sound into. One thread may push."""

    def __init__(
        self,
        session: HubSession,
        rate: int,
        channels: int,
        ahead_s: float,
        recording: Recording | None,
    ) -> None:
        self._session = session
        self._rate, self._channels = rate, channels
        self._pace = Pace(ahead_s)
        self._recording = recording
        self.last_sound = time.monotonic()
        """When sound last came."""
        self.failure: tuple[str, str] | None = None
        """Code and message of why it was ended, if it failed."""

    @property
    def id(self) -> str:
        """Identifies the session."""
        return self._session.id

    @property
    def ended(self) -> threading.Event:
        """Set once the last event has been handed out."""
        return self._session.ended

    @property
    def closing(self) -> bool:
        """Whether its end was asked for: sound that comes now is dropped."""
        return self._session.closing

    def push(self, block: AudioBlock) -> None:
        """Take the next block of sound, of all channels or of one. Never blocks.

        A block without samples only says that what lies before it was lost. Sound that comes faster
        than real time for too long ends the session with an error.
        """
        if self.closing:
            return
        now = time.monotonic()
        share = 1 if block.channel is None else self._channels
        if not self.spend(len(block.samples) / self._rate / share, now):
            return
        if len(block.samples):
            self.last_sound = now
        self._session.push(block)
        if self._recording:
            self._recording.push(block)

    def spend(self, seconds: float, now: float) -> bool:
        """Count so much against the limit of sound ahead of real time.

        Beyond it the session is ended with an error; then this is false.
        """
        if self._pace.take(seconds, now):
            return True
        self.finish(
            failure="sound came faster than real time: send it as it is captured", code="too_fast"
        )
        return False

    def mark(self, note: str, at_ms: int | None = None) -> "Future[Marker]":
        """Note something on the timeline. Raises `LivemoodError` if the session has ended."""
        return self._session.mark(note, at_ms)

    def recorded(self) -> bool:
        """No sound will follow: whether all that was to be kept of it is in its file."""
        if self._recording is None:
            return True
        self._recording.finish()
        return self._recording.closed.is_set()

    def finish(
        self, reason: Reason = "end", failure: str | None = None, code: str = "source_failed"
    ) -> None:
        """End the session: what was pushed is read. Only the first call counts; does not wait."""
        if failure is not None and not self.closing:
            self.failure = (code, failure)
        self._session.finish(reason, failure, code)
