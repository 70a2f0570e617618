"""RTP packets (RFC 3550, section 5.1)."""

import struct
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")


class MalformedPacket(ValueError):  # noqa: N818 - what was received, not a fault of ours
    """Bytes that are no RTP packet."""


class RtpPacket(NamedTuple):
    """One packet; all header fields as they were sent."""

    payload_type: int
    """0 to 127."""
    marker: bool
    sequence: int
    """16 bits."""
    timestamp: int
    """32 bits, in the payload's clock."""
    ssrc: int
    payload: bytes


def parse_packet(data: bytes) -> RtpPacket:
    """The packet in `data`: contributing sources, header extension and padding are left out.

    Raises `MalformedPacket`; RTCP on the same port counts as such (RFC 5761: types 64 to 95).
    """
    size = len(data)
    if size < 12:
        raise MalformedPacket("shorter than a header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise MalformedPacket("not version 2")
    payload_type = second & 0x7F
    if 64 <= payload_type <= 95:
        raise MalformedPacket("RTCP")
    start = 12
    if first & 0x3F:  # padding, extension or contributing sources: rare on phone calls
        start += 4 * (first & 0x0F)
        if first & 0x10:
            if start + 4 > size:
                raise MalformedPacket("header extension cut off")
            start += 4 + 4 * _EXTENSION.unpack_from(data, start)[1]
        if first & 0x20:
            padding = data[-1]
            if not 0 < padding <= size - start:
                raise MalformedPacket("padding longer than the payload")
            size -= padding
        if start > size:
            raise MalformedPacket("header cut off")
    return RtpPacket(payload_type, second >= 128, sequence, timestamp, ssrc, data[start:size])
