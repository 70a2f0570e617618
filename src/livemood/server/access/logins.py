"""How often an address failed to log in, as a pure object told the time."""

from collections import deque


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

    def wait_s(self, address: str, now: float) -> float:
        """How long `address` has to wait before it may fail again; 0 if it may."""
        times = self._failures.get(address)
        if times is None or len(times) < self._limit:
            return 0.0
        return max(0.0, times[0] + self.WINDOW_S - now)
