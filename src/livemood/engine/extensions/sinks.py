"""Sinks: where events go. Each has a bounded queue and a thread of its own."""

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from livemood.engine.event_queue import EventQueue
from livemood.timeline.events import AnyEvent

log = logging.getLogger(__name__)


class Sink(Protocol):
    r"""Takes every event of a session, in order: a function, or an object that can be called.

        class Log:
            def __init__(self, path):
                self.file = open(path, "w")

            def __call__(self, event):
                self.file.write(event.model_dump_json() + "\n")

            def close(self):
                self.file.close()

        for event in livemood.listen("call.wav", speed=None, sinks=[Log("call.jsonl")]):
            pass

    It may take its time: it is called in a thread of its own. If it cannot keep up with live
    sound, it loses the oldest `emotion` events and is told how many by an `error` event of the
    code `slow_client`. The method `close`, if it has one, is called after the last event.
    """

    def __call__(self, event: AnyEvent, /) -> object:
        """Take the next event. What you return is not looked at."""


class SinkThread:
    """Hands events to one sink, in a thread of its own."""

    END_S = 10.0
    """How long a sink may take for what is left after the end."""

    def __init__(self, sink: Sink, *, live: bool, limit: int = 4096) -> None:
        self._sink = sink
        self._queue = EventQueue(live=live, limit=limit)
        self.put = self._queue.put
        """Take the next event. Never waits for the sink where sound is live."""
        self.failures = 0
        """Events that the sink failed to take."""
        self._thread = threading.Thread(target=self._work, name="livemood-sink", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No event follows: wait until the sink has had all of them, and has closed."""
        self._queue.close()
        if threading.current_thread() is self._thread:  # a sink that ends its own session
            return
        self._thread.join(self.END_S)
        if self._thread.is_alive():
            log.warning("%s has not taken its last events after %g s", self._name, self.END_S)

    @property
    def _name(self) -> str:
        name = getattr(self._sink, "__name__", type(self._sink).__name__)
        return f"sink {name}"

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._sink(event)
            except Exception:
                self.failures += 1
                if self.failures == 1:  # once: a full disk would fill the log, too
                    log.exception("%s failed; later failures are only counted", self._name)
        close = getattr(self._sink, "close", None)
        if callable(close):
            try:
                close()
            except Exception:
                self.failures += 1
                log.exception("%s could not be closed", self._name)
        if self.failures:
            log.error("%s failed to take %d events", self._name, self.failures)


class SinkThreads:
    """The sinks of one session, each with its thread."""

    def __init__(self, sinks: Sequence[Sink], *, live: bool) -> None:
        self._threads = [SinkThread(sink, live=live) for sink in sinks]

    def put(self, event: AnyEvent) -> None:
        """Hand the next event to every sink. Never waits for one where sound is live."""
        for thread in self._threads:
            thread.put(event)

    def close(self) -> None:
        """No event follows: wait until every sink has had them all."""
        for thread in self._threads:
            thread.close()
