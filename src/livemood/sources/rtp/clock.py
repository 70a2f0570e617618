"""A sender's timestamps, compared with when its packets arrive."""

from typing import Final


class SenderClock:
    """Where a sender's packets stand, in its own samples since its first one.

    Timestamps say how sound follows on sound, to the sample; arrival says when, but for the
    trembling of the network. As long as both agree, timestamps are followed. A timestamp that
    jumps where packets keep their pace is not: sound goes on where it arrives. A timestamp that
    stands still while nothing comes shows as sound that arrives late; whether it was held up on its
    way or not sent is seen by what comes behind it (`is_late`, `holds_up`), and the caller then
    chooses between `place` and `follow`. The clocks may drift apart for hours. A pure object.
    """

    TOLERANCE_S: Final = 0.04
    """By how much timestamps and arrival may differ, on a network that does not tremble more."""
    TREMBLING: Final = 3.0
    """How many times the measured trembling they may differ."""
    MOST_TOLERANCE_S: Final = 0.25
    DECIDE_S: Final = 0.06
    """Within this time what comes behind late sound shows why it was late."""
    SURPLUS_S: Final = 0.03
    """So much more sound than time means that sound was held up on its way."""
    CATCH_UP_S: Final = 1.0
    """Sound that was held up and comes no faster any more for this long counts as late."""
    DRIFT_S: Final = 100.0
    """Time in which a difference of the clocks' speeds is followed."""
    MOST_DRIFT: Final = 0.0003
    SETTLING_S: Final = 2.0
    """In which the first packets show how early packets can come."""

    def __init__(
        self, rate: int, clock: int, begin: int = 0, tolerance_s: float = TOLERANCE_S
    ) -> None:
        """`rate` samples a second, timestamps of `clock` ticks a second, first sample `begin`."""
        self._rate, self._clock, self._least_tolerance_s = rate, clock, tolerance_s
        self.begun = False
        self._timestamp = 0
        self._position = self.end = begin
        """Index after the newest sample, `end`, and when that came."""
        self._then = 0.0
        self._zero = 0.0
        """When sample 0 would have arrived."""
        self._settled_at = self._measured = 0.0
        self._trembling = self._early = 0.0
        self._best: tuple[float, float] | None = None
        """While sound that was held up comes in: the least that it was late by, and when."""

    def place(
        self, timestamp: int, arrived: float, length: int, restarted: bool, lost: int = 0
    ) -> int:
        """Index of the first of `length` samples that `timestamp` stands for.

        About `lost` samples are missing before it.
        """
        follows = self.end + lost
        if not self.begun:
            self.begun = True
            self._zero = arrived - (follows + length) / self._rate
            self._settled_at = arrived + self.SETTLING_S
            self._measured = arrived
            position = follows
        elif restarted:
            position = self._by_arrival(arrived, length, follows)
            self._best = None
        else:
            position = self._position + self._step(timestamp)
            early = self._earliness(position + length, arrived)
            jumped = abs(position - follows) > self._rate // 1000
            if jumped and (early > self._tolerance_s or position < follows - self._tolerance):
                position = self._by_arrival(arrived, length, follows)
            else:
                self._measure(early, arrived)
        self._timestamp, self._position = timestamp, position
        return position

    def follow(self, timestamp: int, arrived: float, length: int, lost: int = 0) -> int:
        """The same of sound whose sender stood still: it stands where it arrived."""
        self._best = None
        self._position = self._by_arrival(arrived, length, self.end + lost)
        self._timestamp = timestamp
        return self._position

    def is_late(self, timestamp: int, arrived: float, length: int) -> bool:
        """Whether sound arrives later than its timestamp, by more than the network trembles."""
        if not self.begun:
            return False
        position = self._position + self._step(timestamp)
        if position < self.end - self._tolerance:  # it jumped back
            return False
        early = self._earliness(position + length, arrived)
        if early >= -self._tolerance_s:
            self._best = None
            return False
        if self._best is None:
            return True
        best, since = self._best
        if early > best:
            self._best = (early, arrived)
            return False
        return early < best - self._tolerance_s or arrived - since > self.CATCH_UP_S

    def holds_up(self, before: int, after: int, passed_s: float) -> bool:
        """Whether sound was held up on its way: from timestamp `before` to `after` in `passed_s`.

        If so, what follows is not late as long as it goes on catching up.
        """
        held_up = _difference(after, before) / self._clock - passed_s >= self.SURPLUS_S
        if held_up:
            self._best = (float("-inf"), float("inf"))
        return held_up

    def goes_on(self, before: int, length: int, timestamp: int) -> bool:
        """Whether sound of `timestamp` follows on `length` samples of the timestamp `before`."""
        ticks = length * self._clock // self._rate
        return abs(_difference(timestamp, before) - ticks) <= self._clock // 1000

    def retime(self, clock: int) -> None:
        """Timestamps of `clock` ticks a second follow; the next one is placed as a new start."""
        self._clock = clock

    def move(self, position: int) -> None:
        """The samples placed last stand at `position` instead."""
        self._position = position

    def reached(self, end: int, now: float) -> None:
        """Sound up to `end` came, or was made up, at `now`."""
        self.end, self._then = end, now

    def now(self, now: float) -> int:
        """Where the sender probably stands now."""
        return self.end + round((now - self._then) * self._rate)

    def silent_s(self, now: float) -> float:
        """How long nothing has come."""
        return now - self._then

    @property
    def _tolerance_s(self) -> float:
        trembling = min(self.MOST_TOLERANCE_S, self.TREMBLING * self._trembling)
        return max(self._least_tolerance_s, trembling)

    @property
    def _tolerance(self) -> int:
        return round(self._tolerance_s * self._rate)

    def _step(self, timestamp: int) -> int:
        return _difference(timestamp, self._timestamp) * self._rate // self._clock

    def _earliness(self, end: int, arrived: float) -> float:
        """By how many seconds sound up to `end` came before it was to be expected."""
        return end / self._rate - (arrived - self._zero)

    def _by_arrival(self, arrived: float, length: int, follows: int) -> int:
        """Where sound stands by its arrival alone; it follows on, if that is about there."""
        position = round((arrived - self._zero) * self._rate) - length
        return position if position - follows > self._tolerance else follows

    def _measure(self, early: float, arrived: float) -> None:
        """Follow the sender's clock where it drifts, and note how much arrival trembles."""
        change, self._early = abs(early - self._early), early
        if change < 0.1:
            self._trembling += (change - self._trembling) / 16
        passed = max(0.0, arrived - self._measured)
        self._measured = max(arrived, self._measured)
        if early > 0 and arrived < self._settled_at:
            self._zero -= early
            self._early = 0.0
        elif abs(early) < self.MOST_TOLERANCE_S:
            drift = -early * min(1.0, passed / self.DRIFT_S)
            most = self.MOST_DRIFT * passed
            self._zero += max(-most, min(most, drift))


def _difference(timestamp: int, before: int) -> int:
    """Ticks from one 32-bit timestamp to another, in either direction."""
    return (timestamp - before + 0x80000000) % 0x100000000 - 0x80000000
