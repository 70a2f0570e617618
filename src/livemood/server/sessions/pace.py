"""How fast things come, as pure objects told the time."""


class Pace:
    """How far a stream of sound is ahead of real time.

    Sound counts by its duration against the time that passed. A sender whose network stalled, or
    that waited while this server was stopped, may send late what it could not send before: time
    without sound is credit, up to `CREDIT_S`. Each push counts as no less than `LEAST_S`, so that
    a flood of tiny ones is too fast as well.
    """

    LEAST_S = 0.002
    CREDIT_S = 30.0

    def __init__(self, limit_s: float) -> None:
        self._limit = limit_s
        self._ahead = self._burst = 0.0
        self._at: float | None = None

    def take(self, duration_s: float, now: float) -> bool:
        """Sound of `duration_s` came at `now`; whether that is within the limit."""
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        counted = max(self.LEAST_S, duration_s)
        self._at = now
        self._ahead = max(-self.CREDIT_S, self._ahead - passed) + counted
        self._burst = max(0.0, self._burst - passed) + counted
        return self._ahead <= self._limit

    def burst_s(self, now: float) -> float:
        """Seconds of sound that came at once of late, whether or not there was credit for them."""
        return 0.0 if self._at is None else max(0.0, self._burst - (now - self._at))


class Rate:
    """How often something may happen: `per_s` times a second, and `burst` times at once."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._spent, self._at = 0.0, float("-inf")

    def take(self, now: float, count: float = 1.0) -> bool:
        """It happens `count` times; whether it may. What may not is not counted."""
        spent = max(0.0, self._spent - (now - self._at) * self._per_s) + count
        if spent > self._burst:
            return False
        self._spent, self._at = spent, now
        return True
