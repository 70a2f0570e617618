"""A session while its sound comes in."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from livemood.audio import AudioBlock
from livemood.engine import HubSession, Reason, Stretch
from livemood.errors import UsageError
from livemood.model import Baseline
from livemood.server.monitor.log import Entry, EventLog
from livemood.server.refused import Refused, not_live
from livemood.server.sessions.numbers import NumbersOnly
from livemood.server.sessions.pace import Pace, Rate
from livemood.server.spec import SessionRecord, ended_fields
from livemood.server.storage.interface import SoundTrack
from livemood.timeline.events import AnyEvent, Emotion, Load, Marker, SessionEnded
from livemood.timeline.moods import Moods

if TYPE_CHECKING:
    from livemood.server.sessions.moving.continuation import Continuation


class OpenSession:
    """A session that waits for sound, or gets it: its record and the log of its events.

    `record` is changed by the event loop's thread, or under the registry's lock; the log belongs
    to the event loop.
    """

    HISTORY = 512
    """Events in memory; older ones are read from disk."""

    def __init__(self, record: SessionRecord, parties: int = 1) -> None:
        self.record = record
        self.parties = parties
        """Channels that its creator said there will be."""
        self.log = EventLog(self.HISTORY)
        self.log.session = record.id
        self.since = time.monotonic()
        self.live: LiveSession | None = None
        self.published = False
        """Whether somebody publishes it, or is about to."""
        self.moved = False
        """Whether it was left to another worker while it waited."""
        self.stop_reading: Callable[[], None] | None = None
        """Ends the reading of an uploaded recording; none where sound comes live."""
        self.baselines: list[Baseline] = []
        """Of the voices on its channels, where they are to be kept."""
        self.cut = False
        """Whether it was ended because the server is being stopped."""
        self.going_on: Continuation | None = None
        """Makes what the engine says a part of the session; none where it began here."""
        self.void = False
        """Whether another node has it after all: nothing that is said here counts."""
        self.leaving: Future[SessionEnded] | None = None
        """Takes its end, which is not told: it is to go on at another node."""
        self.resume: str | None = None
        """By which its producer goes on with it elsewhere, once it has been left."""
        self.left_ms = 0
        """Up to where its sound was heard here, then."""
        self.settled = threading.Event()
        """Set once everything of the session is on disk, its end included."""
        self._behind: dict[int | None, bool] = {}
        self._moods = Moods()
        self._heard_ms = 0

    def take(self, event: AnyEvent, text: str) -> None:
        """Take the next event, serialised."""
        assert event.seq is not None  # noqa: S101 - what a monitor emits is numbered
        self.note(event)
        self.log.append(Entry(event.seq, text, isinstance(event, Emotion)))
        if isinstance(event, SessionEnded):
            self.log.close()

    @property
    def running(self) -> "LiveSession":
        """What its sound goes into. Raises `Refused` before sound has come, and at its end."""
        if self.live is None or self.live.closing:
            raise not_live()
        return self.live

    @property
    def free(self) -> bool:
        """Whether its sound may still come to another worker: nothing here waits for it."""
        tied = self.record.kind == "rtp" or self.published or self.stop_reading is not None
        return not tied

    @property
    def now(self) -> SessionRecord:
        """The record with how much has been heard so far."""
        if self.record.state != "live":
            return self.record
        heard_ms = max(self._heard_ms, self.live.arrived_ms if self.live else 0)
        return self.record.model_copy(update={"duration_ms": heard_ms})

    @property
    def listed(self) -> SessionRecord:
        """The same with how each channel sounds now, which changes with each reading."""
        if self.record.state != "live":
            return self.record
        return self.now.model_copy(update={"moods": self._moods.now(self.record.channels)})

    def note(self, event: AnyEvent) -> None:
        """Take what an event says of the session now."""
        self._heard_ms = max(self._heard_ms, event.end_ms)
        self._moods.push(event)
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

    SILENT_S = 1.0
    """After so long without sound open speech is closed."""
    AT_ONCE_S = 1.0
    """So much sound at once is read before more is taken."""
    EVENTS_PER_S, EVENTS_AT_ONCE = 60.0, 6000.0
    """Events of a channel; a channel that speaks makes 5 to 25 a second."""
    MARKS_PER_S, MARKS_AT_ONCE = 2.0, 40.0
    WORDS_PER_S, WORDS_AT_ONCE = 10.0, 100.0
    """Transcripts and observations of a session."""
    MARK_AHEAD_MS = 10_000
    """A note, or words, may lie so far ahead of the sound that has come."""

    def __init__(
        self,
        session: HubSession,
        rate: int,
        channels: int,
        ahead_s: float,
        recording: SoundTrack | None,
        going_on: "Continuation | None" = None,
    ) -> None:
        self._session, self._going_on = session, going_on
        self._rate, self._channels = rate, channels
        self._pace = Pace(ahead_s)
        self._numbers = NumbersOnly(channels)
        self._events = Rate(self.EVENTS_PER_S * channels, self.EVENTS_AT_ONCE * channels)
        self._marks, self._marking = Rate(self.MARKS_PER_S, self.MARKS_AT_ONCE), threading.Lock()
        self._words = Rate(self.WORDS_PER_S, self.WORDS_AT_ONCE)
        self._arrived = 0
        self._paused = False
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
        numbers = self._numbers.take(block, now)
        if numbers is None:
            self.finish(failure="too much of the sound is no number", code="bad_sound")
            return
        self._arrived = max(self._arrived, block.end)
        if len(block.samples):
            self.last_sound = now
            self._paused = False
        self._session.push(numbers)
        if self._recording:
            self._recording.push(numbers)

    @property
    def arrived_ms(self) -> int:
        """Where the sound is now, in ms since it began."""
        return self._begins_ms + self._arrived * 1000 // self._rate

    @property
    def _begins_ms(self) -> int:
        """Where the sound that came here begins: elsewhere than at 0 if it began elsewhere."""
        return self._going_on.begins_ms if self._going_on else 0

    def as_told(self, marker: Marker) -> Marker:
        """A marker of the engine as watchers get it."""
        told = self._going_on.moved(marker) if self._going_on else marker
        assert isinstance(told, Marker)  # noqa: S101 - only its numbers differ
        return told

    def ahead_s(self, now: float) -> float:
        """Seconds of sound that came at once of late: windows in it are late by themselves."""
        return self._pace.burst_s(now)

    @property
    def crowded(self) -> bool:
        """Whether whoever brings the sound should wait: much came at once and is not read yet."""
        return self._pace.burst_s(time.monotonic()) > self.AT_ONCE_S and self._session.unread

    def look(self, now: float) -> None:
        """To be called several times a second: without sound, speech does not stay open."""
        if not self._paused and now - self.last_sound > self.SILENT_S:
            self._paused = True
            self._session.pause()

    def counts(self, now: float) -> bool:
        """An event of it is to be kept; false, and the session ends, if there are too many."""
        if self._events.take(now):
            return True
        self.finish(failure="the sound makes too many events", code="bad_sound")
        return False

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
        """Note something on the timeline. Raises `LivemoodError` if the session has ended.

        Raises `Refused` for notes that come too often, or lie ahead of the sound.
        """
        if at_ms is not None and at_ms > self.arrived_ms + self.MARK_AHEAD_MS:
            raise Refused(
                "bad_request", f"at_ms lies ahead: the sound is at {self.arrived_ms} ms", 422
            )
        with self._marking:
            if not self._marks.take(time.monotonic()):
                raise Refused("too_many_markers", "notes come too often: wait", 429, 1)
        return self._session.mark(note, None if at_ms is None else max(0, at_ms - self._begins_ms))

    def push_transcript(self, text: str, channel: int, start_ms: int, end_ms: int) -> None:
        """Take what was said. Raises `Refused` for what cannot be, or comes too often.

        Words from before a move count from where the sound went on.
        """
        self._check_ahead(end_ms)
        stretch = self._stretch(channel, start_ms, end_ms)
        self._take_words(partial(self._session.push_transcript, text, stretch))

    def observe(
        self,
        source: str,
        labels: Mapping[str, float],
        confidence: float,
        channel: int,
        start_ms: int,
        end_ms: int,
    ) -> None:
        """Take what another observer says, in the same way."""
        self._check_ahead(end_ms)
        stretch = self._stretch(channel, start_ms, end_ms)
        self._take_words(partial(self._session.observe, source, labels, confidence, stretch))

    def _stretch(self, channel: int, start_ms: int, end_ms: int) -> Stretch:
        if not (begins := self._begins_ms) or end_ms <= start_ms:  # the latter is refused later
            return Stretch(channel, start_ms, end_ms)
        return Stretch(channel, max(0, start_ms - begins), max(1, end_ms - begins))

    def _check_ahead(self, end_ms: int) -> None:
        if end_ms > self.arrived_ms + self.MARK_AHEAD_MS:
            raise Refused(
                "bad_request", f"end_ms lies ahead: the sound is at {self.arrived_ms} ms", 422
            )

    def _take_words(self, take: Callable[[], None]) -> None:
        with self._marking:
            if not self._words.take(time.monotonic()):
                why = "words come too often: send whole sentences"
                raise Refused("too_many_words", why, 429, 1)
        try:
            take()
        except UsageError as error:
            raise Refused("bad_request", str(error), 422) from None

    def recorded(self) -> bool:
        """No sound will follow: whether all that was to be kept of it is in its file."""
        if self._recording is None:
            return True
        self._recording.finish()
        return self._recording.settled

    def finish(
        self, reason: Reason = "end", failure: str | None = None, code: str = "source_failed"
    ) -> None:
        """End the session: what was pushed is read. Only the first call counts; does not wait."""
        if failure is not None and not self.closing:
            self.failure = (code, failure)
        self._session.finish(reason, failure, code)
