"""How far sound is ahead of real time, as a pure object told the time."""


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
