"""The sink that takes alerts, and the threads that deliver them."""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from livemood.notify.message import AlertMessage, message_of
from livemood.notify.outbox import Outbox, Waiting
from livemood.notify.targets import DeliveryError, Target
from livemood.timeline.events import Alert, Event, SessionStarted

log = logging.getLogger(__name__)

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
KEEP_TRYING_S: Final = 24 * 3600.0
"""A message that could not be delivered for so long goes to the dead letters."""
WORK: Final = "alerts"
"""What one of several processes does for all."""
LOOK_S: Final = 0.5
"""How often to look for what other processes queued, where there are some."""
_WAITING_MOST: Final = 10_000
"""Messages between the reading thread and the outbox; beyond, they are counted as lost."""


def retry_after_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubling, from 1 s to a minute."""
    return float(min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures - 1, 10)))


class Notifier:
    """Delivers alerts to each target, in order and at least once.

    Call it as a sink: it only queues, so it delays no reading. One thread writes to the outbox,
    one for each target delivers from there. `dead_letters` is a file of JSON lines to which
    messages go that a receiver refused for good or could not be given for a day.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        outbox: Outbox,
        dead_letters: Path | None = None,
        turn: Callable[[str], bool] | None = None,
    ) -> None:
        """`turn` says whether a kind of work is this process's, where several share an outbox.

        Once it is, it stays so.
        """
        self._turn = turn
        self._targets = {target.name: target for target in targets}
        self._outbox, self._dead_letters = outbox, dead_letters
        self._queue: queue.Queue[AlertMessage | None] = queue.Queue(_WAITING_MOST)
        self._participants: dict[str, tuple[str, ...]] = {}
        self._news = {name: threading.Event() for name in self._targets}
        self._stopping = threading.Event()
        self._dead_lock = threading.Lock()
        self.delivered = self.dead = self.lost = 0
        """Messages delivered, given up, and lost because the queue was full."""
        self._threads = [threading.Thread(target=self._write, name="livemood-alerts", daemon=True)]
        self._threads += [
            threading.Thread(target=self._deliver, args=(t,), name=f"livemood-{n}", daemon=True)
            for n, t in self._targets.items()
        ]

    def __enter__(self) -> "Notifier":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is queued; what is not delivered yet stays in the outbox."""
        self._queue.put(None)
        self._threads[0].join(5.0)
        self._stopping.set()
        for event in self._news.values():
            event.set()
        for thread in self._threads[1:]:
            thread.join(5.0)
        for target in self._targets.values():
            target.close()

    def __call__(self, event: Event) -> None:
        """Take an event of any session; alerts are queued, everything else is passed over."""
        if isinstance(event, SessionStarted):
            self._participants[event.session] = event.participants
        elif event.type == "session.ended":  # type: ignore[attr-defined]  # every event has one
            self._participants.pop(event.session, None)
        elif isinstance(event, Alert):
            self.send(message_of(event, self._participants.get(event.session, ())))

    def send(self, message: AlertMessage) -> None:
        """Queue a message for all targets."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self.lost += 1
            log.error("an alert was lost: %d wait to be written", _WAITING_MOST)

    def forget(self, session: str) -> None:
        """Delete what waits of a session that is deleted, dead letters included."""
        self._participants.pop(session, None)
        self._outbox.forget(session)
        if self._dead_letters and self._dead_letters.exists():
            with self._dead_lock, self._outbox.exclusive():
                lines = self._dead_letters.read_text("utf-8").splitlines(keepends=True)
                kept = [line for line in lines if json.loads(line)["session"] != session]
                self._dead_letters.write_text("".join(kept), "utf-8")

    def _write(self) -> None:
        while (message := self._queue.get()) is not None:
            self._outbox.put(list(self._targets), message, time.time())
            for event in self._news.values():
                event.set()

    def _deliver(self, target: Target) -> None:
        news, failures = self._news[target.name], 0
        while not self._stopping.is_set():
            news.clear()
            mine = self._turn is None or self._turn(WORK)
            waiting = self._outbox.first(target.name) if mine else None
            if waiting is None:
                news.wait(None if self._turn is None else LOOK_S)
                continue
            self._outbox.attempt(waiting.number)
            try:
                target.deliver(waiting.message, waiting.attempts + 1)
            except DeliveryError as error:
                failures += 1
                if self._gave_up(target, waiting, error):
                    failures = 0
                else:
                    self._pause(target, failures, error)
                continue
            failures = 0
            self._outbox.done(waiting.number)
            self.delivered += 1

    def _pause(self, target: Target, failures: int, error: DeliveryError) -> None:
        wait_s = retry_after_s(failures)
        if failures & (failures - 1) == 0:  # the first, second, fourth, eighth: not one a minute
            log.warning("alerts to %s wait: %s; next try in %.0f s", target.name, error, wait_s)
        self._stopping.wait(wait_s)

    def _gave_up(self, target: Target, waiting: Waiting, error: DeliveryError) -> bool:
        if not error.for_good and time.time() - waiting.queued < KEEP_TRYING_S:
            return False
        self.dead += 1
        log.error("an alert to %s was given up: %s", target.name, error)
        if self._dead_letters:
            line = {**json.loads(waiting.body), "target": target.name, "why": str(error)}
            text = json.dumps(line, ensure_ascii=False) + "\n"
            with (
                self._dead_lock,
                self._outbox.exclusive(),
                self._dead_letters.open("a", encoding="utf-8") as file,
            ):
                file.write(text)
            self._dead_letters.chmod(0o600)
        self._outbox.done(waiting.number)
        return True
