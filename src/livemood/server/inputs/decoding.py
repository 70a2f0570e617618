"""Bytes of a stream to sound."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from livemood.audio import Samples, scale_fault
from livemood.errors import UsageError
from livemood.server.refused import Refused
from livemood.sources.rtp import RtpFormat
from livemood.sources.rtp.formats.codec import Decode as OfPacket
from livemood.sources.rtp.formats.codec import Undecodable, open_decoder

Encoding = Literal["s16le", "f32le", "mulaw", "opus"]
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

Decode = Callable[[bytes], Samples]
"""A message's bytes to sound, float32 (frames, channels). Raises `Refused`."""

_CONTAINERS = (b"RIFF", b"OggS", b"fLaC", b"ID3")


OPUS_RATE = 48_000
"""Opus is decoded to this, whatever it was made of (RFC 7587, section 4.1)."""


def open_decoding(encoding: Encoding, rate: int, channels: int) -> tuple[Decode, int]:
    """A decoder for one stream, and the rate of what it gives. Raises `Refused`."""
    if encoding == "opus":
        return _opus(rate, channels), OPUS_RATE
    pcmu = RtpFormat("PCMU", 8000).new_decoder()
    width = {"s16le": 2, "f32le": 4, "mulaw": 1}[encoding] * channels
    first = True

    def decode(data: bytes) -> Samples:
        nonlocal first
        if first and data.startswith(_CONTAINERS):
            raise Refused("bad_sound", f"send {encoding} samples alone, without a file header", 415)
        first = False
        if len(data) % width:
            raise Refused(
                "bad_sound", f"a message of {encoding} must hold whole frames of {width} bytes", 415
            )
        if encoding == "f32le":  # what is no number is noted as lost further on
            given = np.frombuffer(data, "<f4").astype(np.float32)
            if fault := scale_fault(given):
                raise Refused("bad_sound", fault, 415)
            samples = np.where(np.isfinite(given), np.clip(given, -1.0, 1.0), np.float32(np.nan))
        elif encoding == "mulaw":
            samples = pcmu(data)
        else:
            samples = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
        shaped: Samples = samples.reshape(-1, channels)
        return shaped

    return decode, rate


def _opus(rate: int, channels: int) -> Decode:
    if rate not in (8000, 12000, 16000, 24000, 48000) or channels > 2:
        raise Refused("bad_rate", "Opus is of 8, 12, 16, 24 or 48 kHz and has 1 or 2 channels", 422)
    try:
        opus = open_decoder("OPUS", OPUS_RATE, channels)
    except UsageError as error:
        raise Refused("no_decoder", str(error), 415) from None

    return _OpusPackets(opus, channels)


class _OpusPackets:
    def __init__(self, decode: OfPacket, channels: int) -> None:
        self._decode, self._channels = decode, channels

    @property
    def cancels(self) -> bool:
        """Whether the channels that are mixed cancel each other now."""
        return bool(getattr(self._decode, "cancels", False))

    def __call__(self, data: bytes) -> Samples:
        try:
            samples = self._decode(data)
        except Undecodable:
            raise Refused("bad_sound", "a message is no Opus packet", 415) from None
        if samples.shape[1] != self._channels:
            raise Refused("bad_sound", "an Opus packet has other channels than were said", 415)
        return samples
