"""A bounded queue of events between the thread that makes them and one that takes its time."""

import threading
from collections import deque
from collections.abc import Callable

from livemood.timeline.events import AnyEvent, Emotion, ErrorEvent, client_notice


class EventQueue:
    """Holds at most `limit` events for one consumer.

    When it is full, an offline session waits for the consumer; a live one cannot, and drops the
    oldest `emotion` event, which the consumer is told. Other events are few and never dropped.
    """

    def __init__(self, *, live: bool, limit: int = 4096) -> None:
        self._live, self._limit = live, limit
        self._events: deque[AnyEvent] = deque()
        self._changed = threading.Condition()
        self._dropped = 0
        self._closed = False
        self.on_change: Callable[[], object] | None = None
        """Called, by whichever thread, when there is something to get; it must not block."""

    def put(self, event: AnyEvent) -> None:
        """Append the next event."""
        with self._changed:
            if not self._live:
                self._changed.wait_for(lambda: len(self._events) < self._limit or self._closed)
            elif len(self._events) >= self._limit:
                self._drop()
            self._events.append(event)
            self._changed.notify_all()
        self._tell()

    def close(self) -> None:
        """Nothing will follow, or nobody will take any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        if (told := self.on_change) is not None:
            told()

    def get(self, timeout: float | None = None) -> AnyEvent | None:
        """The next event; none once all have been taken from a closed queue.

        Raises `TimeoutError` if there is none within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._events or self._closed, timeout):
                raise TimeoutError
            if self._dropped:
                return self._notice()
            event = self._events.popleft() if self._events else None
            self._changed.notify_all()
            return event

    def _drop(self) -> None:
        for place, event in enumerate(self._events):
            if isinstance(event, Emotion):
                del self._events[place]
                self._dropped += 1
                return

    def _notice(self) -> ErrorEvent:
        count, self._dropped = self._dropped, 0
        return client_notice("slow_client", "emotion events were dropped: read faster", count)
