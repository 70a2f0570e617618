"""What live sessions say, on its way to disk, to watchers and into the metrics."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from livemood.engine import About, Busy, Hub, MonitorSettings, WordsThread
from livemood.errors import UsageError
from livemood.server.refused import Refused, busy
from livemood.server.sessions.admission import Admission
from livemood.server.sessions.alert_rules import SessionRules
from livemood.server.sessions.delivery import Delivery
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.metrics import ServiceMetrics
from livemood.server.sessions.voices import Voices
from livemood.server.spec import SessionRecord, SessionSpec, ended_fields
from livemood.server.storage.interface import Storage, StorageError
from livemood.timeline.events import AnyEvent, Emotion, SessionEnded

if TYPE_CHECKING:
    from livemood.notify import Notifier, Tried
    from livemood.server.access.policy import Policy

log = logging.getLogger(__name__)

Done = Callable[[OpenSession], None]


class Flow:
    """Opens sessions in the engine and takes their events. Any thread may call `listen`."""

    AHEAD_S = 0.3
    """More sound at once than this says nothing of the machine when it is read late."""

    def __init__(
        self,
        hub: Hub,
        storage: Storage,
        settings: MonitorSettings,
        admission: Admission,
        policy: "Policy",
        ahead_s: float,
    ) -> None:
        self.rules = SessionRules(storage, policy, settings.alerts, hub.model_info.labels)
        """Which alert rules hold."""
        self._hub, self._storage, self._settings = hub, storage, settings
        self._admission, self._ahead_s = admission, ahead_s
        self.metrics = ServiceMetrics()
        self.delivery = Delivery()
        self.voices = Voices(hub, storage, wanted=settings.baseline)
        self.publish: Callable[[str, int, str], None] = lambda *_: None
        """Told of all that sessions say, with its numbers. Never waits."""
        self.words: WordsThread | None = None
        """What reads words of all sessions; none if they take none."""
        self.notifier: Notifier | None = None
        """What tells people of alerts, if anything does."""
        self.try_receivers: Callable[[], Iterable[Tried]] | None = None
        """Sends each receiver of alerts a test message, if there are any."""

    def settings_of(self, record: SessionRecord) -> MonitorSettings:
        """How a session that begins now is listened to. Raises `StorageError`."""
        own = {"alerts": self.rules.of(record), "keep_words": record.keep_words}
        return self._settings.model_copy(update=own)

    def check_participants(self, spec: SessionSpec, parties: int | None) -> None:
        """Raise `Refused` if names do not fit parties, or nobody could say who must not be read.

        One party may send several channels: what it sends says how many, at the beginning.
        """
        names = len(spec.participants)
        if names and parties is not None and parties > 1 and names != parties:
            raise Refused(
                "bad_participants", f"{names} participants were named for {parties} parties", 422
            )
        try:
            self._settings.ignored(spec.participants, max(parties or 1, len(spec.participants)))
        except UsageError as error:
            raise Refused("ignored_participants", str(error), 422) from None

    def notify_by(self, notifier: "Notifier") -> None:
        """Hand alerts to `notifier`, which forgets a session when it is deleted."""
        self.notifier = notifier
        self._storage.on_erase = notifier.forget

    def listen(self, opened: OpenSession, rate: int, done: Done) -> LiveSession:
        """Begin to listen; `done` is called once everything of the session is on disk.

        Raises `Refused` if the engine cannot.
        """
        record = opened.record
        assert record.source is not None  # noqa: S101 - just set
        opened.baselines = self.voices.of(record)
        try:
            session = self._hub.open(
                self.settings_of(record),
                source=record.source,
                sample_rate=rate,
                channels=record.channels,
                sinks=[partial(self._take, opened, done)],
                about=About(record.purpose, record.consent, record.participants),
                session=record.id,
                baselines=opened.baselines,
                words=self.words,
            )
        except Busy as error:
            raise busy(error.retry_after_s) from None
        except UsageError as error:
            code = "bad_rate" if opened.going_on is None else "other_model"
            raise Refused(code, str(error), 422) from None
        except StorageError as error:
            raise Refused("storage_failed", f"rules cannot be read: {error}", 503, 30) from None
        keep = record.keep_sound
        recording = self._storage.sound.open(record.id, rate, record.channels) if keep else None
        return LiveSession(
            session, rate, record.channels, self._ahead_s, recording, opened.going_on
        )

    def _take(self, opened: OpenSession, done: Done, event: AnyEvent) -> None:
        """The sink of every live session; called by the hub's thread."""
        if opened.void:
            return
        if opened.live is not None:
            opened.live.counts(time.monotonic())
        told = opened.going_on.push(event) if opened.going_on else event
        if told is None:
            return
        if (
            isinstance(told, SessionEnded)
            and opened.leaving is not None
            and opened.leaving.set_running_or_notify_cancel()
        ):
            opened.leaving.set_result(told)
            return
        self.take(opened, done, told, told.model_dump_json())

    def take(self, opened: OpenSession, done: Done, event: AnyEvent, text: str) -> None:
        """Take the next event of a session, and as `text`, on its ways. Never waits."""
        assert event.seq is not None  # noqa: S101 - what a monitor emits is numbered
        self._storage.writer.put(opened.record.id, event.seq, text)
        self.publish(opened.record.id, event.seq, text)
        self.delivery.call(self._deliver, opened, event, text)
        if self.notifier:
            self.notifier(event)
        if isinstance(event, SessionEnded):
            self._storage.writer.then(partial(self._settle, opened, done, event))

    def _deliver(self, opened: OpenSession, event: AnyEvent, text: str) -> None:
        opened.take(event, text)
        self.metrics.count_of(opened.record.kind, event)
        if opened.live is None:  # a recording: nothing of it is late
            return
        # Windows in sound that came ahead of real time are late by themselves.
        ahead_s = opened.live.ahead_s(time.monotonic())
        if isinstance(event, Emotion) and ahead_s < self.AHEAD_S:
            late = event.latency_ms.total / 1000 / self._settings.budget_s
            self._admission.observe(opened.record.id, late)

    def keep_begun(self, opened: OpenSession) -> None:
        """The writer's thread: keep that a session's sound has begun, unless it has ended."""
        if opened.record.state == "ended":
            return
        try:
            self._storage.sessions.update(opened.record)
        except StorageError:
            self._storage.writer.later(partial(self.keep_begun, opened))

    def _settle(self, opened: OpenSession, done: Done, event: SessionEnded) -> None:
        """The writer's thread: everything of a session is on disk; now its record, too."""
        session = opened.record.id
        recorded = opened.live is None or opened.live.recorded()
        if self._storage.writer.waits_for(session) or not recorded:
            self._storage.writer.later(partial(self._settle, opened, done, event))
            return
        try:
            self._storage.events.close(session)
            self.voices.keep(opened.record, opened.baselines)
            opened.baselines = []
            self._storage.sessions.update(opened.record.model_copy(update=ended_fields(event)))
        except StorageError as error:
            log.debug("the end of a session cannot be kept now: %s", error)
            self._storage.writer.later(partial(self._settle, opened, done, event))
            return
        done(opened)
