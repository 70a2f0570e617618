"""Sound from phone calls: RTP over UDP (RFC 3550)."""

from livemood.sources.rtp.packet import MalformedPacket, RtpPacket, parse_packet
from livemood.sources.rtp.payload import RtpFormat
from livemood.sources.rtp.receiver import RtpReceiver
from livemood.sources.rtp.reorder import Reorder
from livemood.sources.rtp.stream import RtpStream

__all__ = [
    "MalformedPacket",
    "Reorder",
    "RtpFormat",
    "RtpPacket",
    "RtpReceiver",
    "RtpStream",
    "parse_packet",
]
