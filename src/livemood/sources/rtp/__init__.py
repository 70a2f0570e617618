"""Sound from phone calls: RTP over UDP (RFC 3550)."""

from livemood.sources.rtp.formats.payload import STATIC, PayloadTypes, RtpFormat
from livemood.sources.rtp.formats.sdp import described, parse_sdp, read_sdp
from livemood.sources.rtp.jitter_buffer import JitterBuffer
from livemood.sources.rtp.packet import MalformedPacket, RtpPacket, parse_packet
from livemood.sources.rtp.port import RtpPort
from livemood.sources.rtp.receiver import RtpReceiver
from livemood.sources.rtp.sender import Take
from livemood.sources.rtp.source import RtpSource, split_address
from livemood.sources.rtp.stream import RtpStream

__all__ = [
    "STATIC",
    "JitterBuffer",
    "MalformedPacket",
    "PayloadTypes",
    "RtpFormat",
    "RtpPacket",
    "RtpPort",
    "RtpReceiver",
    "RtpSource",
    "RtpStream",
    "Take",
    "described",
    "parse_packet",
    "parse_sdp",
    "read_sdp",
    "split_address",
]
