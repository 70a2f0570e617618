"""What must be done every second: idle sessions, retention, load, revoked tokens."""

import logging
import os
import threading
import time
from collections.abc import Callable

from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.interface import StorageError

log = logging.getLogger(__name__)


class Housekeeper:
    """A thread that looks after the sessions."""

    EVERY_S = 1.0
    LOOK_EVERY_S = 0.25
    STOPPED_S = 2.0
    """A longer pause of this thread means that the whole process stood still."""
    RETENTION_EVERY_S = 60.0

    def __init__(
        self, sessions: Sessions, sweep: Callable[[], None] = lambda: None, workers: int = 1
    ) -> None:
        """`workers` are the processes that share the processors."""
        self._sessions = sessions
        self._sweep = sweep
        self._stop = threading.Event()
        self._retained = self._looked = time.monotonic()
        self._used = _Used(workers)
        self._thread = threading.Thread(target=self._work, name="livemood-keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._sessions.load = self.load
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5.0)

    def load(self) -> float:
        """How busy reading, or the whole process, is: 1 where it can do no more."""
        return max(self._sessions.hub.load, self._used.share)

    def look(self, now: float) -> None:
        """Close the speech of those from whom no sound comes.

        If this process was stopped for a while, it is not their silence.
        """
        stopped = now - self._looked - self.LOOK_EVERY_S
        self._looked = now
        for opened in self._sessions.all_open():
            if opened.live is not None:
                if stopped > self.STOPPED_S:
                    opened.live.last_sound += stopped
                opened.live.look(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._used.measure(now)
        sessions = self._sessions
        sessions.measure(self.load(), now)
        sessions.peers.beat(self.load(), sessions.admission.cost)
        limits = sessions.limits
        waiting = live = 0
        holds = dict[str, bool]()
        for opened in sessions.all_open():
            creator = opened.record.created_by
            if creator not in holds:
                holds[creator] = sessions.holds(creator)
            if not holds[creator]:
                sessions.revoke(opened)
            elif opened.live is None:
                live += opened.record.state == "live"
                waiting += opened.record.state == "waiting"
                if opened.stop_reading is None and now - opened.since > limits.waiting_s:
                    sessions.finish(opened, "interrupted")
            else:
                live += 1
                if now - opened.live.last_sound > limits.idle_s:
                    opened.live.finish(
                        failure=f"no sound came for {limits.idle_s:g} s", code="idle"
                    )
        metrics = sessions.metrics
        metrics.sessions.labels("waiting").set(waiting)
        metrics.sessions.labels("live").set(live)
        metrics.load.set(self.load())
        metrics.queue.labels("reading").set(sessions.hub.waiting)
        metrics.queue.labels("storage").set(sessions.storage.writer.depth)
        metrics.queue.labels("cluster").set(sessions.peers.waiting)
        metrics.lost.set(sessions.storage.writer.lost)
        if now - self._retained > self.RETENTION_EVERY_S:
            self._retained = now
            sessions.storage.retain()
        sessions.delivery.call(self._sweep)

    def _work(self) -> None:
        ticked = time.monotonic()
        while not self._stop.wait(self.LOOK_EVERY_S):
            try:
                now = time.monotonic()
                self.look(now)
                if now - ticked >= self.EVERY_S:
                    ticked = now
                    self.tick(now)
            except (Refused, StorageError) as error:
                log.warning("retention: %s", error)
            except Exception:
                log.exception("housekeeping failed")


class _Used:
    """The share of its processors that this process uses."""

    WEIGHT = 0.4

    def __init__(self, workers: int) -> None:
        self.share = 0.0
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        # Python runs on one at a time; the network on another.
        self._cores = min(2.0, cores / workers)
        self._at, self._used = time.monotonic(), time.process_time()

    def measure(self, now: float) -> None:
        used = time.process_time()
        if now > self._at:
            share = (used - self._used) / (now - self._at) / self._cores
            self.share += self.WEIGHT * (share - self.share)
        self._at, self._used = now, used
