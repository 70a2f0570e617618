"""A sender's timestamps as samples on one clock."""

from typing import Final


class SenderClock:
    """Where a sender's packets stand, in its own samples since its first one.

    The sender's clock may drift against ours for hours without anything being dropped or inserted.
    Timestamps are followed as long as they are likely; after a jump sound stands as much later as
    it came later. A pure object.
    """

    SLACK_S: Final = 2.0
    """Timestamps that jump ahead of the time that has passed, or back, by more are a restart."""

    def __init__(self, rate: int, clock: int, begin: int = 0) -> None:
        """`rate` samples a second, timestamps of `clock` ticks a second, first sample `begin`."""
        self._rate, self._clock = rate, clock
        self._slack = round(self.SLACK_S * rate)
        self.begun = False
        self._timestamp = 0
        self._position = self.end = begin
        """Index after the newest sample, `end`, and when that came."""
        self._then = 0.0

    def place(self, timestamp: int, arrived: float, length: int, restarted: bool) -> int:
        """Index of the first of `length` samples that `timestamp` stands for."""
        step = (timestamp - self._timestamp + 0x80000000) % 0x100000000 - 0x80000000
        step = step * self._rate // self._clock
        if not self.begun:
            self.begun = True
            position = self.end
        elif restarted or not -self._slack <= step <= self._slack + self._passed(arrived):
            position = self.end + max(0, self._passed(arrived) - length)
        else:
            position = self._position + step
        self._timestamp, self._position = timestamp, position
        return position

    def move(self, position: int) -> None:
        """The samples placed last stand at `position` instead."""
        self._position = position

    def reached(self, end: int, now: float) -> None:
        """Sound up to `end` came, or was made up, at `now`."""
        self.end, self._then = end, now

    def now(self, now: float) -> int:
        """Where the sender probably stands now."""
        return self.end + self._passed(now)

    def silent_s(self, now: float) -> float:
        """How long nothing has come."""
        return now - self._then

    def _passed(self, now: float) -> int:
        return round((now - self._then) * self._rate)
