"""Redundant audio data: packets that repeat what was sent before (RFC 2198)."""

from typing import Final

from livemood.sources.rtp.packet import MalformedPacket, RtpPacket

_OFFSET: Final = (1 << 14) - 1
_LENGTH: Final = (1 << 10) - 1


def unwrap(packet: RtpPacket) -> tuple[RtpPacket, list[RtpPacket]]:
    """The packet inside, and those sent before it that it repeats, the oldest first.

    A repeated packet is given the sequence number that it probably had: the last one repeated is
    the one just before. Raises `MalformedPacket`.
    """
    data, at = packet.payload, 0
    headers: list[tuple[int, int, int]] = []
    while at < len(data) and data[at] & 0x80:
        if at + 4 > len(data):
            raise MalformedPacket("redundancy header cut off")
        word = int.from_bytes(data[at : at + 4])
        headers.append((word >> 24 & 0x7F, word >> 10 & _OFFSET, word & _LENGTH))
        at += 4
    if at >= len(data):
        raise MalformedPacket("redundancy without a packet")
    kind, at = data[at] & 0x7F, at + 1
    earlier = []
    for place, (type_, offset, length) in enumerate(headers):
        if at + length > len(data):
            raise MalformedPacket("redundant block cut off")
        if length:
            earlier.append(
                RtpPacket(
                    type_,
                    False,
                    (packet.sequence - len(headers) + place) & 0xFFFF,
                    (packet.timestamp - offset) & 0xFFFFFFFF,
                    packet.ssrc,
                    data[at : at + length],
                )
            )
        at += length
    return packet._replace(payload_type=kind, payload=data[at:]), earlier
