"""How many sessions the machine can keep up with."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Promise:
    since: float
    channels: int
    to: str


class Admission:
    """Decides whether one more session would be too much.

    A pure object, told the load, the latencies and the time. Load alone would not do: streams that
    miss their budget stretch their hops, and so load the machine less. And what a channel costs
    shows only once people have spoken in it for a while, so young channels are counted with what
    older ones cost; before there are any, with a guess.
    """

    GROWN_S = 6.0
    """The age from which a channel's cost is in the load."""
    PROMISE_S = 10.0
    """For so long there is room for the sound of a session that was created."""
    MOST_PROMISED = 16
    """Channels that one creator can be promised room for; for more it is found when they start."""
    RETRY_S = 5.0
    LATE = 2 / 3
    """Of the budget: from here on a window is late."""
    MOST_LATE = 0.02
    """Share of its last hundred or so windows above which a session is late."""
    MOST_LATE_SESSIONS = 0.2
    """Share of late sessions above which there is no room. One alone is no sign of the machine."""

    def __init__(self, busiest: float, guess: float) -> None:
        self._busiest = busiest
        self._guess = self._cost = guess
        self._young: deque[tuple[float, int]] = deque()
        """When channels came, and how many."""
        self._grown = 0
        self._promised: dict[str, _Promise] = {}
        """Sessions that wait for their sound."""
        self._late: dict[str, float] = {}
        """Of each session that speaks, the share of late windows."""

    @property
    def cost(self) -> float:
        """Load of one channel, as far as is known."""
        return self._cost

    @property
    def late(self) -> float:
        """Share of sessions whose windows are late."""
        late = sum(share > self.MOST_LATE for share in self._late.values())
        return late / len(self._late) if self._late else 0.0

    def observe(self, session: str, latency: float) -> None:
        """A window was read, this late in parts of the budget.

        Not to be told of sound that came ahead of real time: that is late by itself.
        """
        share = self._late.get(session, 0.0)
        self._late[session] = share + 0.01 * ((latency > self.LATE) - share)

    def measure(self, load: float, now: float) -> None:
        """Take the load of the last seconds, from 0 to 1; about once a second."""
        self._age(now)
        # Where nobody speaks, nobody is late.
        self._late = {session: share * 0.8 for session, share in self._late.items()}
        if self._grown >= 4 and not self._young:
            # Never below a quarter of the guess: people fall silent, and then all speak at once.
            cost = max(self._guess / 4, load / self._grown)
            self._cost += 0.2 * (cost - self._cost)

    def wait_s(self, channels: int, load: float, now: float) -> float:
        """When to ask again for a session of `channels`; 0 if it may come now."""
        self._age(now)
        coming = sum(promise.channels for promise in self._promised.values()) + sum(
            count * (1 - (now - since) / self.GROWN_S) for since, count in self._young
        )
        expected = load + self._cost * (coming + channels)
        full = expected > self._busiest or self.late > self.MOST_LATE_SESSIONS
        return self.RETRY_S if full else 0.0

    def promise(self, session: str, channels: int, now: float, to: str = "") -> None:
        """Keep room for a session whose sound is to come, unless its creator has enough of it."""
        self._age(now)
        kept = sum(promise.channels for promise in self._promised.values() if promise.to == to)
        if kept + channels <= self.MOST_PROMISED:
            self._promised[session] = _Promise(now, channels, to)

    def promised(self, session: str, now: float) -> int:
        """Channels that room is kept for; 0 if a session's sound did not come in time."""
        self._age(now)
        promise = self._promised.get(session)
        return promise.channels if promise else 0

    def redeem(self, session: str) -> None:
        """The sound of a session has come, or never will: no room is kept for it any more."""
        self._promised.pop(session, None)

    def opened(self, channels: int, now: float) -> None:
        """A session was opened."""
        self._young.append((now, channels))

    def closed(self, session: str, channels: int, since: float) -> None:
        """A session that was opened at `since` ended."""
        self._late.pop(session, None)
        if (since, channels) in self._young:
            self._young.remove((since, channels))
        else:
            self._grown = max(0, self._grown - channels)

    def _age(self, now: float) -> None:
        while self._young and now - self._young[0][0] >= self.GROWN_S:
            self._grown += self._young.popleft()[1]
        for session, promise in list(self._promised.items()):
            if now - promise.since >= self.PROMISE_S:
                del self._promised[session]
