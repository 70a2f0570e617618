"""Packets in order, and no later than they must be.

Nothing is played, so a packet that comes in order is handed on at once: on a clean network the
buffer adds no delay at all. Only a hole makes those behind it wait, until what is missing comes or
its deadline passes. The deadline follows the jitter that is measured and is bounded, so a burst
never deepens the buffer for good.

A pure object: told arrival times, it never looks at a clock.
"""

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


class Reorder:
    """The packets of one sender, in order, each once."""

    SHORTEST_S: Final = 0.02
    LONGEST_S: Final = 0.2
    """Bounds of how long a hole is waited for."""
    MISORDER: Final = 100
    DROPOUT: Final = 3000
    """Sequence numbers further behind or ahead than these are a restart (RFC 3550, A.1)."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._next: int | None = None
        self._highest = 0
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}
        self._probation: int | None = None
        self._transit: float | None = None
        self.jitter_s = 0.0
        """Interarrival jitter (RFC 3550, A.8)."""
        self.lost = self.duplicates = self.late = self.restarts = 0
        """Packets given up, had twice, come after their deadline; new starts of the sender."""

    @property
    def patience_s(self) -> float:
        """How long a hole is waited for now."""
        return min(self.LONGEST_S, max(self.SHORTEST_S, 4 * self.jitter_s))

    @property
    def deadline(self) -> float | None:
        """When the oldest hole is given up; none without one."""
        if not self._waiting:
            return None
        return min(arrived for _, arrived in self._waiting.values()) + self.patience_s

    def push(self, packet: RtpPacket, arrived: float) -> list[Arrival]:
        """Take a packet; those that are now in order."""
        self._measure(packet, arrived)
        if self._next is None:
            self._next = packet.sequence
        ahead = _difference(packet.sequence, self._next)
        if ahead == 0 and not self._waiting:
            self._next = (packet.sequence + 1) & 0xFFFF
            self._probation = None
            return [Arrival(packet, arrived, 0, False)]
        if not -self.MISORDER <= ahead <= self.DROPOUT:
            return self._jumped(packet, arrived)
        self._probation = None
        if ahead < 0:
            self.late += 1
            return []
        if packet.sequence in self._waiting:
            self.duplicates += 1
            return []
        self._waiting[packet.sequence] = (packet, arrived)
        return self._in_order(arrived)

    def due(self, now: float) -> list[Arrival]:
        """What can be handed on because holes have passed their deadline."""
        return self._in_order(now) if self._waiting else []

    def flush(self) -> list[Arrival]:
        """Everything that waits, holes given up."""
        return self._in_order(float("inf"))

    def _in_order(self, now: float) -> list[Arrival]:
        assert self._next is not None  # noqa: S101 - something waits, so one has come before
        out: list[Arrival] = []
        while self._waiting:
            found = self._waiting.pop(self._next, None)
            lost = 0
            if found is None:
                deadline = self.deadline
                if deadline is not None and now < deadline:
                    break
                nearest = min(self._waiting, key=lambda s: _difference(s, self._next or 0))
                lost = _difference(nearest, self._next)
                self.lost += lost
                found, self._next = self._waiting.pop(nearest), nearest
            out.append(Arrival(*found, lost, False))
            self._next = (self._next + 1) & 0xFFFF
        return out

    def _jumped(self, packet: RtpPacket, arrived: float) -> list[Arrival]:
        """A lone stray is dropped; two in a row mean that the sender started anew."""
        if self._probation != packet.sequence:
            self._probation = (packet.sequence + 1) & 0xFFFF
            self.late += 1
            return []
        out = self.flush()
        self._probation = self._transit = None
        self.restarts += 1
        self._next = (packet.sequence + 1) & 0xFFFF
        return [*out, Arrival(packet, arrived, 0, True)]

    def _measure(self, packet: RtpPacket, arrived: float) -> None:
        transit = arrived - packet.timestamp / self._clock_rate
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < 1.0:  # more is a wrap of the timestamp, a pause or a restart
                self.jitter_s += (change - self.jitter_s) / 16
        self._transit = transit


def _difference(a: int, b: int) -> int:
    """How far sequence number `a` lies ahead of `b`, from -32768 to 32767."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000
