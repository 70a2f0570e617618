"""Senders of whom one packet has come."""

from typing import Final

from livemood.sources.rtp.packet import RtpPacket
from livemood.sources.rtp.sender import Address


class Strangers:
    """Keeps first packets until a second one shows that there is a sender (RFC 3550, A.1).

    A pure object.
    """

    MOST: Final = 2048
    """First packets remembered: those of all calls, should a server begin amid them."""
    NEAR: Final = 100
    """Sequence numbers by which the second packet may lie ahead of the first."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[RtpPacket, Address, float]] = {}

    def __len__(self) -> int:
        return len(self._first)

    def follows(
        self, packet: RtpPacket, address: Address, now: float
    ) -> tuple[RtpPacket, float] | None:
        """The first packet, and when it came, if `packet` follows it; else that is remembered."""
        first = self._first.pop(packet.ssrc, None)
        if first and first[1] == address:
            ahead = (packet.sequence - first[0].sequence) & 0xFFFF
            if 0 < ahead <= self.NEAR:
                return first[0], first[2]
        if len(self._first) >= self.MOST:
            del self._first[next(iter(self._first))]
        self._first[packet.ssrc] = (packet, address, now)
        return None

    def sweep(self, since: float) -> None:
        """Forget what came before `since`."""
        self._first = {s: f for s, f in self._first.items() if f[2] >= since}
