"""All sessions: created, started, ended; kept, found, deleted."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from livemood.engine import Hub, MonitorSettings
from livemood.server.access.principal import Principal
from livemood.server.peers.interface import Entry, Peers
from livemood.server.refused import Refused, already_started, busy, not_found, not_live, token_gone
from livemood.server.sessions.admission import Admission
from livemood.server.sessions.flow import Flow
from livemood.server.sessions.limits import Limits, check_form
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.pools import Pools
from livemood.server.spec import SessionRecord, SessionSpec, begun_fields
from livemood.server.storage.interface import Storage, StorageError
from livemood.timeline.events import AnyEvent, Marker, utc_now

if TYPE_CHECKING:
    from livemood.server.access.policy import Policy


class Sessions:
    """The sessions of a server. Every method may be called by any thread, unless it says so.

    An input calls `create` and `start`, pushes sound into what it gets, and finishes it.
    """

    END_S = 10.0
    """How long a session may take to end."""

    def __init__(
        self,
        hub: Hub,
        storage: Storage,
        policy: "Policy",
        settings: MonitorSettings,
        limits: Limits,
        admission: Admission,
        peers: Peers | None = None,
    ) -> None:
        self.hub, self.storage, self.policy, self.limits = hub, storage, policy, limits
        self.flow = Flow(hub, storage, settings, admission, policy, limits.ahead_s)
        self.metrics, self.delivery = self.flow.metrics, self.flow.delivery
        self.admission = admission
        self.peers = peers or Peers()
        """Other processes that serve the same address."""
        self.flow.publish = self.peers.publish
        self.load: Callable[[], float] = lambda: hub.load
        """The load that admission goes by, from 0 to 1."""
        self.holds: Callable[[str], bool] = lambda _: True
        """Whether a creator, by the name in records, may still use the server."""
        self.pools = Pools()
        self.default_retention_days = 30.0
        self._lock = threading.RLock()
        self._open: dict[str, OpenSession] = {}
        self.stopping = False
        """Whether new sessions are refused because the server is being stopped."""

    # Before there is sound

    def create(self, spec: SessionSpec, by: Principal, parties: int | None = None) -> SessionRecord:
        """A new session that waits for its sound, of so many parties. Raises `Refused`.

        Whether `by` may create sessions is for the route to know.
        """
        try:
            self.policy.check(spec)
            self.flow.voices.check(spec)
            self.flow.rules.check(spec)
            self.flow.check_participants(spec, parties)
            opened = self._reserve(spec, by, parties or max(1, len(spec.participants)))
        except Refused as refused:
            # What is no purpose of the policy is anybody's words: it may name a person.
            known = {"purpose": spec.purpose} if spec.purpose in self.policy.purposes else {}
            self.storage.audit.note(by.name, "refused", code=refused.code, **known)
            raise
        try:
            self.storage.sessions.add(opened.record)
            self.storage.audit.note(by.name, "create", opened.record.id, purpose=spec.purpose)
        except StorageError as error:
            self._forget(opened)
            raise Refused("storage_failed", f"sessions cannot be kept: {error}", 503, 30) from None
        return opened.record

    def _reserve(self, spec: SessionSpec, by: Principal, parties: int) -> OpenSession:
        record = SessionRecord(
            id=secrets.token_hex(8),
            state="waiting",
            source=None,
            created=utc_now(),
            created_by=by.id,
            retention_days=self.policy.retention_days(spec, self.default_retention_days),
            **spec.model_dump(exclude={"retention_days"}),
        )
        recording = spec.kind == "recording"
        with self._lock:
            self.check_room(0 if recording else parties)
            entry = Entry(record.id, by.id, spec.kind, parties)
            held, check = list(self._holdings()), self.limits.check
            self.peers.enter(entry, lambda others: check((*held, *others), by.id, parties))
            opened = self._open[record.id] = OpenSession(record, parties)
            if not recording:  # read by another process, when there is time
                self.admission.promise(record.id, parties, opened.since, by.id)
        return opened

    def _holdings(self) -> Iterator[tuple[str, int]]:
        """Of each session its creator, and the channels that it waits for."""
        for o in self._open.values():
            yield o.record.created_by, o.parties if o.record.state == "waiting" else 0

    def check_room(self, channels: int) -> None:
        """Raise `Refused` unless so many channels more may be taken now."""
        if self.stopping:
            raise Refused("stopping", "the server is being stopped", 503, 10)
        if self.storage.failing:
            raise Refused("storage_failed", "events cannot be kept: look at the log", 503, 30)
        wait = self.admission.wait_s(channels, self.load(), time.monotonic()) if channels else 0.0
        if wait:
            raise busy(wait)

    # While there is

    def start(
        self, session_id: str, *, source: str, sample_rate: int, channels: int
    ) -> LiveSession:
        """The sound of a waiting session begins. Raises `Refused`."""
        check_form(sample_rate, channels)
        with self._lock:
            opened = self._open.get(session_id)
            if opened is None:
                self.record(session_id)
            if opened is None or opened.record.state != "waiting":
                raise already_started()
            waiting = opened.record
            if not self.holds(waiting.created_by):
                raise token_gone()
            if waiting.participants and len(waiting.participants) != channels:
                raise Refused(
                    "bad_participants",
                    f"{len(waiting.participants)} participants were named for {channels} channels",
                    422,
                )
            promised = self.admission.promised(session_id, time.monotonic())
            if channels > promised or self.stopping:
                self.check_room(channels - promised)
            opened.record = waiting.model_copy(update=begun_fields(source, channels))
            try:
                opened.live = self.flow.listen(opened, sample_rate, self._forget)
            except BaseException:
                opened.record = waiting
                raise
            opened.since = time.monotonic()
            self.admission.redeem(session_id)
            self.admission.opened(channels, opened.since)
            self.peers.began(session_id, channels)
            # Under the lock: the end of the session must not be kept before its beginning.
            self.storage.writer.then(partial(self.flow.keep_begun, opened))
        return opened.live

    def start_recording(self, opened: OpenSession, *, source: str, channels: int) -> None:
        """An uploaded recording begins to be read. Raises `Refused` if it is not wanted any more.

        Its events go to `take`.
        """
        with self._lock:
            waiting = opened.record
            if waiting.state != "waiting" or self.stopping:
                raise not_live()
            opened.record = waiting.model_copy(update=begun_fields(source, channels))
            self.peers.began(opened.record.id, channels)
            self.storage.writer.then(partial(self.flow.keep_begun, opened))

    def take(self, opened: OpenSession, event: AnyEvent, text: str) -> None:
        """Take the next event, and as text, where it is not the engine here that says it."""
        self.flow.take(opened, self._forget, event, text)

    def _forget(self, opened: OpenSession) -> None:
        with self._lock:
            self._open.pop(opened.record.id, None)
            self.admission.redeem(opened.record.id)
            if opened.live is not None:
                self.admission.closed(opened.record.id, opened.record.channels, opened.since)
            self.peers.leave(opened.record.id)
        opened.settled.set()

    # Where several processes serve one address

    def adopt(self, session_id: str) -> None:
        """The sound of a session comes here: take it over if it waits at another worker.

        Raises `Refused` if its sound comes there.
        """
        if self.open(session_id) is None and (parties := self.peers.take(session_id)):
            opened = OpenSession(self.record(session_id), parties)
            with self._lock:
                self._open.setdefault(session_id, opened)
        elif self.peers.owner(session_id) is not None:
            raise already_started()

    def release(self, session_id: str, to: int) -> bool:
        """Leave a waiting session to worker `to`; false if it does not wait, or has its input."""
        with self._lock:
            opened = self._open.get(session_id)
            if opened is None or opened.record.state != "waiting" or not opened.free:
                return False
            self.peers.hand_over(session_id, to)
            del self._open[session_id]
            self.admission.redeem(session_id)
            opened.moved = True
        self.delivery.call(opened.log.close, False)
        return True

    def go_on(self, opened: OpenSession, rate: int, claim: Callable[[], None]) -> LiveSession:
        """A live session that another node has left goes on here. Raises `Refused`.

        `claim` makes it this node's, once the engine listens.
        """
        record = opened.record
        with self._lock:
            self.limits.check(self._holdings(), record.created_by, 0)
            self.check_room(record.channels)
            opened.live = self.flow.listen(opened, rate, self._forget)
            claim()
            self._open[record.id] = opened
            self.admission.opened(record.channels, opened.since)
            self.storage.writer.then(partial(self.flow.keep_begun, opened))
        return opened.live

    def left(self, opened: OpenSession, token: str) -> None:
        """Whoever has `token` goes on with the session at another node: it is none of this one."""
        opened.resume, opened.moved = token, True
        with self._lock:
            del self._open[opened.record.id]
            self.admission.closed(opened.record.id, opened.record.channels, opened.since)
        self.delivery.call(opened.log.close, False)
        opened.settled.set()

    def measure(self, load: float, now: float) -> None:
        """Take the load of the last seconds, from 0 to 1, for what may still be let in."""
        with self._lock:
            self.admission.measure(load, now)

    # For who asks

    def open(self, session_id: str) -> OpenSession | None:
        """The session, if it waits or is live."""
        with self._lock:
            return self._open.get(session_id)

    def all_open(self) -> list[OpenSession]:
        """Every session that waits or is live."""
        with self._lock:
            return list(self._open.values())

    def record(self, session_id: str) -> SessionRecord:
        """What is known of a session. Raises `Refused` if there is no such one."""
        opened = self.open(session_id)
        record = opened.now if opened else self.storage.sessions.get(session_id)
        if record is None:
            raise not_found()
        return record

    def mark(self, session_id: str, note: str, at_ms: int | None, by: Principal) -> Marker:
        """Note something on the timeline of a live session; waits until it is there."""
        live = self.opened(session_id).running
        noted = live.mark(note, at_ms)
        self.storage.audit.note(by.name, "mark", session_id)
        return live.as_told(noted.result(self.END_S))

    def end(self, session_id: str, by: Principal) -> SessionRecord:
        """End a session in order; waits until it has ended."""
        opened = self.opened(session_id)
        self.storage.audit.note(by.name, "end", session_id)
        self.finish(opened, "end")
        opened.settled.wait(self.END_S)
        return self.record(session_id)

    def opened(self, session_id: str) -> OpenSession:
        """A session that waits, or runs. Raises `Refused` if it has ended, or there is none."""
        self.record(session_id)
        if (opened := self.open(session_id)) is None:
            raise not_live()
        return opened

    def revoke(self, opened: OpenSession) -> None:
        """End a session whose creator's token was revoked or has expired."""
        gone = token_gone()
        if opened.live is not None:
            opened.live.finish(failure=str(gone), code=gone.code)
        else:
            self.finish(opened, "interrupted")

    def finish(self, opened: OpenSession, reason: str) -> None:
        """Ask a session to end; one that still waits ends at once, unused."""
        with self._lock:
            live = opened.live
            if live is None and opened.record.state == "waiting":
                ended = {"state": "ended", "ended": utc_now(), "reason": "unused"}
                record = opened.record.model_copy(update=ended)
                self.storage.sessions.update(record)  # first: if that fails it goes on waiting
                opened.record = record
                self._forget(opened)
                self.delivery.call(opened.log.close)
        if live is not None:
            live.finish("end" if reason == "end" else "interrupted")
        elif opened.stop_reading is not None:
            opened.stop_reading()

    def withdraw(self, session_id: str, by: Principal) -> None:
        """Leave nothing of an unused session: the request that created it was refused."""
        if (opened := self.open(session_id)) is not None:
            self.finish(opened, "interrupted")
        self.storage.delete([session_id], by.name, "withdraw")

    def delete(self, session_id: str, by: Principal) -> None:
        """Leave nothing of a session; one that runs is ended first."""
        self.record(session_id)
        if (opened := self.open(session_id)) is not None:
            self.finish(opened, "interrupted")
            if not opened.settled.wait(self.END_S):
                raise Refused("busy", "the session does not end: try again", 503, 5)
        self.storage.delete([session_id], by.name, "delete")

    def refuse_new(self) -> None:
        """From now on no session is created or started; those that run go on."""
        with self._lock:
            self.stopping = True

    def running(self) -> int:
        """Sessions whose sound comes now."""
        return sum(opened.record.state == "live" for opened in self.all_open())
