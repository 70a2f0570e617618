"""Limits, as pure objects told the time."""

from collections import deque


class Pace:
    """How far a stream of sound is ahead of real time.

    A leaky bucket: sound fills it by its duration, time drains it; whoever paused is not owed
    the pause. Each push counts as no less than `LEAST_S`, so that a flood of tiny ones fills it.
    """

    LEAST_S = 0.002

    def __init__(self, limit_s: float) -> None:
        self._limit = limit_s
        self._ahead = 0.0
        self._at = float("-inf")

    def take(self, duration_s: float, now: float) -> bool:
        """Sound of `duration_s` came at `now`; whether that is within the limit."""
        self._ahead = max(0.0, self._ahead - (now - self._at)) + max(self.LEAST_S, duration_s)
        self._at = now
        return self._ahead <= self._limit


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
