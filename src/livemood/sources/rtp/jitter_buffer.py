"""Packets in order, and no later than they must be.

Nothing is played, so a packet that comes in order is handed on at once: on a clean network the
buffer adds no delay at all. Only a hole makes those behind it wait, until what is missing comes or
its deadline passes. The deadline follows the jitter that is measured, and how long packets were
missing that came after all; it is bounded and soon forgotten, so that a burst never deepens the
buffer for good.

A pure object: told arrival times, which never go back, it never looks at a clock.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from livemood.sources.rtp.packet import RtpPacket


class Arrival(NamedTuple):
    """A packet in its place."""

    packet: RtpPacket
    arrived: float
    """Monotonic seconds."""
    lost: int
    """Packets given up just before this one."""
    restarted: bool
    """Whether the sender started anew: its sequence and timestamps say nothing of before."""


class JitterBuffer:
    """The packets of one sender, in order, each once.

    Sequence numbers are extended by the times they wrapped (RFC 3550, A.1).
    """

    SHORTEST_S: Final = 0.02
    LONGEST_S: Final = 0.2
    """Bounds of how long the buffer waits for a missing packet, in seconds."""
    MEMORY_S: Final = 4.0
    """How long a packet that filled a hole late keeps the deadline as long as it needed."""
    MARGIN: Final = 1.25
    MISORDER: Final = 100
    DROPOUT: Final = 3000
    """Sequence numbers further behind or ahead than these are a restart (RFC 3550, A.1)."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._next = -1
        self._waiting: OrderedDict[int, tuple[RtpPacket, float]] = OrderedDict()
        """By extended number, in the order in which they came."""
        self._given_up: dict[int, float] = {}
        """Numbers of packets given up, with when they were missed first."""
        self._needed, self._needed_until = 0.0, 0.0
        self._stray: tuple[RtpPacket, float] | None = None
        self._transit: float | None = None
        self.first = self.highest = 0
        """Extended numbers of this start of the sender."""
        self.received = 0
        """Packets of this start, whatever became of them."""
        self.jitter_s = 0.0
        """Interarrival jitter (RFC 3550, A.8)."""
        self.recovered = 0
        """Packets that a later one repeated before they were given up."""
        self.lost = self.duplicates = self.late = self.strays = self.restarts = 0
        """Packets given up; had before; come after their deadline, or from before the first; from
        elsewhere in the numbers; new starts of the sender."""

    @property
    def patience_s(self) -> float:
        """How long the buffer waits for a missing packet now, in seconds."""
        return min(self.LONGEST_S, max(self.SHORTEST_S, self._needed, 4 * self.jitter_s))

    @property
    def deadline(self) -> float | None:
        """When the oldest hole is given up. None without a hole."""
        if not self._waiting:
            return None
        return next(iter(self._waiting.values()))[1] + self.patience_s

    def push(self, packet: RtpPacket, arrived: float) -> list[Arrival]:
        """Take a packet. Returns the packets that are now in order."""
        if self._next < 0:
            self._begin(packet.sequence)
        # How far it lies ahead, from -32768 to 32767.
        ahead = ((packet.sequence - self._next + 0x8000) & 0xFFFF) - 0x8000
        if not -self.MISORDER <= ahead <= self.DROPOUT:
            return self._jumped(packet, arrived)
        self._stray = None
        self._measure(packet, arrived)
        self.received += 1
        if self._needed and arrived > self._needed_until:
            self._needed = 0.0
        number = self._next + ahead
        if number > self.highest:
            self.highest = number
        if ahead == 0 and not self._waiting:
            self._next = number + 1
            return [Arrival(packet, arrived, 0, False)]
        if ahead < 0:
            self._behind(number, arrived)
            return []
        if number in self._waiting:
            self.duplicates += 1
            return []
        if number < next(reversed(self._waiting), 0):  # it fills a hole
            self._note(arrived - next(iter(self._waiting.values()))[1], arrived)
        self._waiting[number] = (packet, arrived)
        return self._in_order(arrived)

    def recover(self, packet: RtpPacket, arrived: float) -> list[Arrival]:
        """Take what a later packet repeats of `packet`, if it is missed; those now in order."""
        ahead = ((packet.sequence - self._next + 0x8000) & 0xFFFF) - 0x8000
        number = self._next + ahead
        if self._next < 0 or not 0 <= ahead <= self.MISORDER or number in self._waiting:
            return []
        self.recovered += 1
        self._waiting[number] = (packet, arrived)
        return self._in_order(arrived)

    def due(self, now: float) -> list[Arrival]:
        """The packets that can go on because holes have passed their deadline."""
        return self._in_order(now) if self._waiting else []

    def flush(self) -> list[Arrival]:
        """Every packet that waits. All holes are given up."""
        return self._in_order(float("inf"))

    def _begin(self, sequence: int) -> None:
        self._next = self.first = self.highest = 0x10000 + sequence
        self.received = 0

    def _note(self, needed: float, now: float) -> None:
        """A packet came so long after it was missed first."""
        self._needed = max(self._needed, self.MARGIN * needed)
        self._needed_until = now + self.MEMORY_S

    def _behind(self, number: int, now: float) -> None:
        """A packet that came after its place was passed."""
        missed = self._given_up.pop(number, None)
        if missed is not None:
            self._note(now - missed, now)
            self.late += 1
        elif number < self.first:
            self.late += 1
        else:
            self.duplicates += 1

    def _in_order(self, now: float) -> list[Arrival]:
        out: list[Arrival] = []
        while self._waiting:
            found, lost = self._waiting.pop(self._next, None), 0
            if found is None:
                deadline = self.deadline
                if deadline is not None and now < deadline:
                    break
                lost = self._give_up()
                found = self._waiting.pop(self._next)
            out.append(Arrival(*found, lost, False))
            self._next += 1
        return out

    def _give_up(self) -> int:
        """Go on to the nearest waiting packet. Returns how many are missing before it."""
        nearest = self._next
        while nearest not in self._waiting:
            nearest += 1
        missing, oldest = range(self._next, nearest), nearest - self.MISORDER
        self.lost += len(missing)
        since = next(iter(self._waiting.values()))[1]
        self._given_up = {n: t for n, t in self._given_up.items() if n >= oldest}
        self._given_up |= dict.fromkeys(missing[-self.MISORDER :], since)
        self._next = nearest
        return len(missing)

    def _jumped(self, packet: RtpPacket, arrived: float) -> list[Arrival]:
        """A lone stray is dropped; two in a row mean that the sender started anew."""
        before, self._stray = self._stray, (packet, arrived)
        if before is None or packet.sequence != (before[0].sequence + 1) & 0xFFFF:
            self.strays += 1
            return []
        out = self.flush()
        self._stray = self._transit = None
        self._given_up.clear()
        self.restarts += 1
        self.strays -= 1
        self._begin(before[0].sequence)
        for each in (before, (packet, arrived)):
            self._measure(*each)
        self.received, self.highest = 2, self.first + 1
        self._next = self.first + 2
        return [*out, Arrival(*before, 0, True), Arrival(packet, arrived, 0, False)]

    def _measure(self, packet: RtpPacket, arrived: float) -> None:
        transit = arrived - packet.timestamp / self._clock_rate
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < 1.0:  # more is a wrap of the timestamp, a pause or a restart
                self.jitter_s += (change - self.jitter_s) / 16
        self._transit = transit
