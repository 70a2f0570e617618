"""The recent events of a session, and what each client has had of them.

Pure objects without sockets or clocks. A client is a place in the one log, so that a slow one
costs no memory and holds nobody up: its bounded queue is how far it may fall behind.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from livemood.timeline.events import client_notice

HISTORY = 60_000
"""Events kept: two hours of two channels that never fall silent, some 45 MB."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, serialised once for everybody."""

    seq: int
    text: str
    droppable: bool
    """Whether a slow client may lose it: `emotion` events alone."""


class EventLog:
    """The last `history` events of one session, with consecutive sequence numbers."""

    def __init__(self, history: int = HISTORY) -> None:
        self._entries: deque[Entry] = deque(maxlen=history)
        self._listeners: set[Callable[[], None]] = set()
        self.first: Entry | None = None
        """The session's first event, which says what it is; kept when it is old, too."""
        self.session: str | None = None
        self.closed = False
        """Whether nothing will follow."""
        self.ended = False
        """Whether that is because the session has ended."""

    @property
    def listeners(self) -> int:
        """How many are being told of news."""
        return len(self._listeners)

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest event; 0 before the first."""
        return self._entries[-1].seq if self._entries else 0

    @property
    def first_seq(self) -> int:
        """Sequence number of the oldest event still kept."""
        return self._entries[0].seq if self._entries else 1

    def append(self, entry: Entry) -> None:
        """Take the next event, and wake everybody who waits."""
        if self._entries and entry.seq != self.last_seq + 1:
            raise ValueError(f"event {entry.seq} cannot follow event {self.last_seq}")
        if self.first is None:
            self.first = entry
        self._entries.append(entry)
        self._wake()

    def close(self, ended: bool = True) -> None:
        """Nothing will follow, because the session has `ended` or the program goes away."""
        self.closed = True
        self.ended = self.ended or ended
        self._wake()

    def all(self) -> list[str]:
        """The first event and all that are still kept, as text."""
        texts = [entry.text for entry in self._entries]
        if self.first and self.first.seq < self.first_seq:
            texts.insert(0, self.first.text)
        return texts

    def from_seq(self, seq: int, count: int) -> list[Entry]:
        """Up to `count` events from `seq` on, or from the oldest that is kept."""
        start = max(0, seq - self.first_seq)
        if start < len(self._entries) // 2:
            return list(islice(self._entries, start, start + count))
        # A deque is walked from its nearer end: live clients sit at the newest one.
        back = list(islice(reversed(self._entries), max(0, len(self._entries) - start)))
        return back[::-1][:count]

    def add_listener(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there is something new."""
        self._listeners.add(wake)

    def remove_listener(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        self._listeners.discard(wake)

    def _wake(self) -> None:
        for wake in self._listeners:
            wake()


class Subscription:
    """One client's place in the log."""

    BATCH = 64

    def __init__(self, log: EventLog, after: int, limit: int = 256) -> None:
        self._log = log
        self._had = after
        # What was there before the client came is its to have, however long that takes.
        self._owed_until = log.last_seq
        self._limit = limit
        self.dropped = 0
        """`emotion` events that this client lost by being slow."""

    @property
    def had(self) -> int:
        """Number of the last event that the client has had."""
        return self._had

    @property
    def lost(self) -> int:
        """Events that the client has not had and that are no longer kept."""
        return max(0, self._log.first_seq - 1 - self._had)

    def skip(self, seq: int, dropped: int) -> list[str]:
        """Go on behind event `seq`: the client got those before it from elsewhere.

        But for so many `emotion` events, which it is told.
        """
        self._had = max(self._had, seq)
        self.dropped += dropped
        return [_slow(dropped)] if dropped else []

    @property
    def at_end(self) -> bool:
        """Whether the client has had everything."""
        return self._had >= self._log.last_seq

    def take(self) -> list[str]:
        """The next messages for the client, oldest first; none if it has had all."""
        messages = []
        lost = self.lost
        if lost > 0:
            first = self._log.first
            told = [first.text] if first and self._had < first.seq else []
            if lost > len(told):
                text = "older events are no longer kept"
                messages.append(_text("history_lost", text, lost - len(told)))
            messages += told  # without it nothing that follows can be understood
            self._had += lost
        if self._had >= self._owed_until:
            messages += self._catch_up()
        entries = self._log.from_seq(self._had + 1, self.BATCH)
        if entries:
            self._had = entries[-1].seq
        return messages + [entry.text for entry in entries]

    def _catch_up(self) -> list[str]:
        """Take what is waiting beyond the limit, oldest first, less its `emotion` events."""
        excess = self._log.last_seq - self._had - self._limit
        if excess <= 0:
            return []
        overdue = self._log.from_seq(self._had + 1, excess)
        kept = [entry.text for entry in overdue if not entry.droppable]
        dropped = len(overdue) - len(kept)
        self._had += excess
        if not dropped:
            return kept
        self.dropped += dropped
        return [_slow(dropped), *kept]


def _slow(dropped: int) -> str:
    return _text("slow_client", "emotion events were dropped: read faster", dropped)


def _text(code: str, message: str, count: int) -> str:
    return client_notice(code, message, count).model_dump_json()
