"""How often an address failed to log in, as a pure object told the time."""

from collections import deque
from collections.abc import Sequence


class FailedLogins:
    """Who failed to log in how often of late."""

    WINDOW_S = 60.0
    MOST_ADDRESSES = 10_000

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failures: dict[str, deque[float]] = {}

    def fail(self, address: str, now: float) -> None:
        """A login from `address` failed."""
        times = self._failures.pop(address, None) or deque(maxlen=self._limit)
        times.append(now)
        self._failures[address] = times  # the last that failed is the last to be forgotten
        while len(self._failures) > self.MOST_ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def wait_s(self, address: str, now: float, elsewhere: Sequence[float] = ()) -> float:
        """How long `address` has to wait before it may fail again; 0 if it may.

        `elsewhere` is when it failed at other processes of the server.
        """
        times = sorted((*self._failures.get(address, ()), *elsewhere))[-self._limit :]
        if len(times) < self._limit:
            return 0.0
        oldest: float = times[0]
        return max(0.0, oldest + self.WINDOW_S - now)
