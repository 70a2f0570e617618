"""RTCP (RFC 3550, section 6): what senders report, and reports of how they are received."""

import struct
from dataclasses import dataclass, field
from typing import Final

from livemood.sources.rtp.jitter_buffer import JitterBuffer

INTERVAL_S: Final = (2.5 / 1.21828, 7.5 / 1.21828)
"""Between one report and the next, chosen at random between these: 5 s on average (6.2, 6.3.1)."""
_SENDER, _RECEIVER, _DESCRIPTION, _GOODBYE = 200, 201, 202, 203
_BLOCK: Final = struct.Struct("!IIIIII")


def is_rtcp(data: bytes) -> bool:
    """Whether a packet on a port for both is RTCP (RFC 5761, section 4)."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 192 <= data[1] <= 223


@dataclass(slots=True)
class RtcpReports:
    """The parts of a compound packet that livemood uses."""

    leaving: list[int] = field(default_factory=list)
    """Senders that say goodbye."""
    reports: dict[int, int] = field(default_factory=dict)
    """The middle 32 bits of the NTP time of each sender report, by sender."""


def read_rtcp(data: bytes) -> RtcpReports:
    """Reads `data` as far as possible. Never raises."""
    found, at = RtcpReports(), 0
    while at + 4 <= len(data) and data[at] >> 6 == 2:
        count, kind = data[at] & 0x1F, data[at + 1]
        end = at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4])
        if kind == _SENDER and at + 16 <= min(end, len(data)):
            found.reports[_word(data, at + 4)] = int.from_bytes(data[at + 10 : at + 14])
        elif kind == _GOODBYE:
            last = min(end, at + 4 + 4 * count, len(data)) - 3
            found.leaving += [_word(data, i) for i in range(at + 4, last, 4)]
        at = end
    return found


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4])


class Reception:
    """How one sender is received, as a report block tells it (6.4.1, A.3). A pure object."""

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self._ssrc, self._clock_rate = ssrc, clock_rate
        self._first = self._expected = self._received = 0
        self._reported: tuple[int, float] | None = None

    def sender_reported(self, ntp_middle: int, now: float) -> None:
        """A sender report came."""
        self._reported = (ntp_middle, now)

    def block(self, packets: JitterBuffer, now: float) -> bytes:
        """The report block on `packets`, since the one before."""
        if packets.first != self._first:  # a new start
            self._first, self._expected, self._received = packets.first, 0, 0
        expected = packets.highest - packets.first + 1
        due, came = expected - self._expected, packets.received - self._received
        self._expected, self._received = expected, packets.received
        fraction = ((due - came) << 8) // due if due > 0 and due > came else 0
        lost = max(-0x800000, min(0x7FFFFF, expected - packets.received))
        ntp, passed = 0, 0
        if self._reported:
            ntp, then = self._reported
            passed = round((now - then) * 65536)
        return _BLOCK.pack(
            self._ssrc,
            min(fraction, 255) << 24 | lost & 0xFFFFFF,
            # The cycles are ours: a first number of 0x10000 means none.
            (packets.highest - 0x10000) & 0xFFFFFFFF,
            round(packets.jitter_s * self._clock_rate) & 0xFFFFFFFF,
            ntp,
            passed & 0xFFFFFFFF,
        )


def receiver_report(ssrc: int, blocks: list[bytes], cname: str) -> bytes:
    """A compound packet of `ssrc`: a report on up to 31 senders, and a description (6.1)."""
    blocks = blocks[:31]
    body = struct.pack("!I", ssrc) + b"".join(blocks)
    name = cname.encode()[:255]
    item = struct.pack("!IBB", ssrc, 1, len(name)) + name
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list of items
    return _packet(_RECEIVER, len(blocks), body) + _packet(_DESCRIPTION, 1, item)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
