"""A sender's timestamps, compared with when its packets arrive."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class _Late:
    """Late sound that waits for what comes behind it."""

    timestamp: int
    arrived: float
    best: float
    """When it would have arrived, had it come as fast as the fastest behind it."""
    alone: bool = True


class SenderClock:
    """Where a sender's packets stand, in its own samples since its first one.

    Timestamps say how sound follows on sound, to the sample; arrival says when, but for the
    jitter of the network. As long as both agree, timestamps are followed. A timestamp that
    jumps where packets keep their pace is not: sound goes on where it arrives. A timestamp that
    stands still while nothing comes shows as sound that arrives late; whether it was held up on its
    way or not sent is seen by what comes behind it (`is_late`, `judge`), and the caller then
    chooses between `place` and `follow`. A network with jitter, or a sender that sends many
    packets at once, shows by packets that are in time among those that are late: it is the fastest
    packet of each short while that is compared. A sender that begins with a burst has no pace yet:
    what follows in the first seconds shows it. The clocks may drift apart for hours. A pure object.
    """

    TOLERANCE_S: Final = 0.04
    """By how much timestamps and arrival may differ, on a network that has no more jitter."""
    GROUP_S: Final = 0.05
    """The fastest packet in such a while counts."""
    GROUPS: Final = 48
    FEWEST: Final = 12
    """By the newest so many of them the jitter is measured, once there are a few."""
    JITTERS: Final = 2.5
    """How many times the jitter timestamps and arrival may differ."""
    UNKNOWN_S: Final = 0.06
    """The jitter that a network is taken to have until its packets have shown it."""
    MOST_TOLERANCE_S: Final = 0.25
    DECIDE_S: Final = 0.06
    MOST_DECIDE_S: Final = 0.18
    """Bounds of how long what comes behind late sound may take to show why it was late."""
    ALONE_S: Final = 0.2
    """How long a late packet waits for a second one, and for any that are missing behind it."""
    SURPLUS_S: Final = 0.03
    """So much more sound than time means that sound was held up on its way, at least."""
    CHUNK: Final = 1.25
    """How many times as much it is at least that a sender brings at once anyway."""
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
        self._burst_s = 0.0
        """So much more sound than time had passed did the sender begin with."""
        self._changes = deque[float](maxlen=self.GROUPS)
        """By how much the fastest packet of each while differs from the one before."""
        self._rises = deque[float](maxlen=self.GROUPS)
        """By how much earlier than others of its while the fastest packet came."""
        self._tolerance_s = self._tolerated()
        self._group: tuple[float, float, float] | None = None
        """When the present while began, the least and the most that its packets were early by."""
        self._fastest: float | None = None
        """The same of the one before."""
        self._late: _Late | None = None
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
            self._settled_at = arrived + self.SETTLING_S
            self._burst_s, self._best = 0.0, None
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
        """The same of late sound whose sender stood still: it stands where it arrived."""
        late, self._late, self._best = self._late, None, None
        if late and late.timestamp == timestamp:
            arrived = late.best
        self._position = self._by_arrival(arrived, length, self.end + lost)
        self._timestamp = timestamp
        return self._position

    def is_late(self, timestamp: int, arrived: float, length: int) -> bool:
        """Whether sound arrives later than its timestamp, by more than the jitter of the network.

        If so, tell `judge` of what comes behind it.
        """
        self._late = None
        if not self.begun:
            return False
        position = self._position + self._step(timestamp)
        if position < self.end - self._tolerance:  # it jumped back
            return False
        early = self._earliness(position + length, arrived)
        if early >= -self._tolerance_s:
            self._best = None
            return False
        if self._burst_s > self._least_tolerance_s and arrived < self._settled_at:
            self._zero -= early
            return False
        if self._best is not None:
            best, since = self._best
            if early > best:
                self._best = (early, arrived)
                return False
            if early >= best - self._tolerance_s and arrived - since <= self.CATCH_UP_S:
                return False
        self._late = _Late(timestamp, arrived, arrived)
        return True

    def judge(self, timestamp: int, arrived: float, length: int) -> bool | None:
        """Whether the sender stood still before the late sound, by what comes behind it.

        False if that was held up on its way: what comes behind it is in time again, or is more than
        the time that has passed. In the latter case what follows is not late as long as it goes on
        catching up. None as long as it is not known.
        """
        late = self._late
        if late is None:
            return False
        late.alone = False
        ahead = _difference(timestamp, late.timestamp) / self._clock
        late.best = min(late.best, arrived - ahead)
        position = self._position + self._step(timestamp)
        if self._earliness(position + length, arrived) >= -self._tolerance_s:
            return False
        if ahead - (arrived - late.arrived) >= self._surplus_s:
            self._best = (float("-inf"), float("inf"))
            return False
        return True if arrived >= self.decided else None

    @property
    def decided(self) -> float:
        """When it is decided why sound was late, unless packets are missing behind it."""
        if self._late is None:
            return float("-inf")
        usual = min(self.MOST_DECIDE_S, max(self.DECIDE_S, 2 * self._tolerance_s))
        return self.decided_at_last if self._late.alone else self._late.arrived + usual

    @property
    def decided_at_last(self) -> float:
        """When it is decided in any case."""
        return float("-inf") if self._late is None else self._late.arrived + self.ALONE_S

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

    def _tolerated(self) -> float:
        usual = _usual(self._changes)
        if len(self._changes) < self.FEWEST:
            usual = max(usual, self.UNKNOWN_S)
        return max(self._least_tolerance_s, min(self.MOST_TOLERANCE_S, self.JITTERS * usual))

    @property
    def _surplus_s(self) -> float:
        return max(self.SURPLUS_S, self._tolerance_s, self.CHUNK * _usual(self._rises))

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
        """Follow the sender's clock where it drifts, and note the jitter of arrival."""
        if early > 0 and arrived < self._settled_at:
            self._burst_s += early
            self._zero -= early
            early = 0.0
        if self._best is not None:  # it catches up
            return
        if self._group is None:
            self._group = (arrived, early, early)
            return
        began, worst, best = self._group
        if arrived < began + self.GROUP_S:
            self._group = (began, min(worst, early), max(best, early))
            return
        self._group = (arrived, early, early)
        self._rises.append(best - worst)
        if self._fastest is not None:
            self._changes.append(abs(best - self._fastest))
            self._tolerance_s = self._tolerated()
        self._fastest = best
        passed = max(0.0, arrived - self._measured)
        self._measured = max(arrived, self._measured)
        if abs(best) < self.MOST_TOLERANCE_S:
            drift = -best * min(1.0, passed / self.DRIFT_S)
            most = self.MOST_DRIFT * passed
            self._zero += max(-most, min(most, drift))


def _usual(measured: Sequence[float]) -> float:
    """The greatest but one, which may be an accident."""
    return sorted(measured)[-2] if len(measured) > 1 else 0.0


def _difference(timestamp: int, before: int) -> int:
    """Ticks from one 32-bit timestamp to another, in either direction."""
    return (timestamp - before + 0x80000000) % 0x100000000 - 0x80000000
