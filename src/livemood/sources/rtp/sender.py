"""One sender on a port."""

import socket
from collections.abc import Callable
from typing import Any, Final

from livemood.audio import AudioBlock
from livemood.sources.rtp.formats.payload import PayloadTypes, RtpFormat
from livemood.sources.rtp.packet import RtpPacket
from livemood.sources.rtp.rtcp import Reception
from livemood.sources.rtp.stream import RtpStream

Address = tuple[Any, ...]
"""Host, port and, for IPv6, what else belongs to an address."""

Take = Callable[[AudioBlock | None], None]
"""Handed the blocks of one sender, in order, then none: it has gone. Must not block."""


class Sender:
    """Its stream, where it sends from, and what takes its sound."""

    __slots__ = (
        "address",
        "control",
        "heard",
        "left",
        "next_report",
        "reception",
        "reported",
        "stream",
        "take",
    )

    IN_FLIGHT_S: Final = 0.1
    """Packets may come so long after a goodbye that was sent after them."""

    def __init__(
        self, ssrc: int, form: RtpFormat, types: PayloadTypes, address: Address, now: float
    ) -> None:
        """Raises `UsageError` if there is no decoder for `form`."""
        self.stream = RtpStream(form, types)
        self.reception = Reception(ssrc, form.clock)
        self.address = address
        self.control: tuple[socket.socket | None, Address] | None = None
        """Through which socket its reports came, and from where."""
        self.heard = now
        """When its last packet came."""
        self.reported = 0.0
        """When its last report came."""
        self.left: float | None = None
        """When it said goodbye."""
        self.next_report = 0.0
        self.take: Take = lambda _: None

    def push(self, packet: RtpPacket, now: float) -> None:
        """Take a packet and hand on what follows."""
        self.heard = now
        if self.left is not None and now - self.left > self.IN_FLIGHT_S:
            self.left = None  # it goes on in spite of its goodbye
        self.hand_on(self.stream.push(packet, now))

    def change(self, ssrc: int, address: Address) -> None:
        """Go on with what another SSRC sends."""
        self.address, self.control, self.left = address, None, None
        self.reception = Reception(ssrc, self.stream.format.clock)
        self.hand_on(self.stream.change_sender())

    def hand_on(self, blocks: list[AudioBlock]) -> None:
        """Give `blocks` to whoever takes them."""
        for block in blocks:
            self.take(block)
