"""How many sessions the machine can keep up with."""

from collections import deque


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
    RETRY_S = 5.0
    LATE = 2 / 3
    """Of the budget: from here on a window is late."""
    MOST_LATE = 0.02
    """Share of late windows above which there is no room."""

    def __init__(self, busiest: float, guess: float) -> None:
        self._busiest = busiest
        self._guess = self._cost = guess
        self._young: deque[tuple[float, int]] = deque()
        """When channels came, and how many."""
        self._grown = 0
        self._promised: dict[str, tuple[float, int]] = {}
        """Sessions that wait for their sound: since when, and how many channels."""
        self.late = 0.0
        """Share of late windows among the last hundred or so."""

    @property
    def cost(self) -> float:
        """Load of one channel, as far as is known."""
        return self._cost

    def heard(self, latency: float) -> None:
        """A window was read, this late in parts of the budget."""
        self.late += 0.01 * ((latency > self.LATE) - self.late)

    def measure(self, load: float, now: float) -> None:
        """Take the load of the last seconds, from 0 to 1; about once a second."""
        self._age(now)
        self.late *= 0.8  # where nobody speaks, nobody is late
        if self._grown >= 4 and not self._young:
            # Never below a quarter of the guess: people fall silent, and then all speak at once.
            cost = max(self._guess / 4, load / self._grown)
            self._cost += 0.2 * (cost - self._cost)

    def wait_s(self, channels: int, load: float, now: float) -> float:
        """When to ask again for a session of `channels`; 0 if it may come now."""
        self._age(now)
        coming = sum(count for _, count in self._promised.values()) + sum(
            count * (1 - (now - since) / self.GROWN_S) for since, count in self._young
        )
        expected = load + self._cost * (coming + channels)
        full = expected > self._busiest or self.late > self.MOST_LATE
        return self.RETRY_S if full else 0.0

    def promise(self, session: str, channels: int, now: float) -> None:
        """Keep room for a session whose sound is to come."""
        self._promised[session] = (now, channels)

    def promised(self, session: str, now: float) -> int:
        """Channels that room is kept for; 0 if a session's sound did not come in time."""
        self._age(now)
        return self._promised.get(session, (now, 0))[1]

    def redeem(self, session: str) -> None:
        """The sound of a session has come, or never will: no room is kept for it any more."""
        self._promised.pop(session, None)

    def opened(self, channels: int, now: float) -> None:
        """A session was opened."""
        self._young.append((now, channels))

    def closed(self, channels: int, since: float) -> None:
        """A session that was opened at `since` ended."""
        if (since, channels) in self._young:
            self._young.remove((since, channels))
        else:
            self._grown = max(0, self._grown - channels)

    def _age(self, now: float) -> None:
        while self._young and now - self._young[0][0] >= self.GROWN_S:
            self._grown += self._young.popleft()[1]
        for session, (since, _) in list(self._promised.items()):
            if now - since >= self.PROMISE_S:
                del self._promised[session]
