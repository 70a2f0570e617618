"""What payloads mean, and their sound (RFC 3551, RFC 7587, ITU-T G.711)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from livemood.audio import Samples
from livemood.errors import UsageError
from livemood.sources.rtp.formats.codec import NAMES, Decode, open_decoder

Encoding = Literal["PCMU", "PCMA", "L16", "G722", "OPUS"]


def _mu_law(code: int) -> int:
    """One code of G.711 mu-law (ITU-T G.711, table 2) as a 16-bit sample."""
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _a_law(code: int) -> int:
    """One code of G.711 A-law (ITU-T G.711, table 1) as a 16-bit sample."""
    code ^= 0x55
    segment, magnitude = (code & 0x70) >> 4, ((code & 0x0F) << 4) + 8
    if segment:
        magnitude = (magnitude + 0x100) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


_MU_LAW, _A_LAW = (
    np.array([law(code) for code in range(256)], np.float32) / np.float32(32768.0)
    for law in (_mu_law, _a_law)
)


def _expanded(law: Samples, payload: bytes) -> Samples:
    # As the type that numpy looks up by: it converts others in twice the time.
    out: Samples = law[np.frombuffer(payload, np.uint8).astype(np.intp)]
    return out


def _pcmu(payload: bytes) -> Samples:
    return _expanded(_MU_LAW, payload)


def _pcma(payload: bytes) -> Samples:
    return _expanded(_A_LAW, payload)


def _l16(payload: bytes) -> Samples:
    whole = np.frombuffer(payload, ">i2", count=len(payload) // 2)
    return whole.astype(np.float32) / np.float32(32768.0)


_DECODERS = {"PCMU": _pcmu, "PCMA": _pcma, "L16": _l16}


@dataclass(frozen=True, slots=True)
class RtpFormat:
    """What a payload type means (RFC 3551)."""

    encoding: Encoding
    rate: int
    """Samples a second."""
    channels: int = 1

    def __post_init__(self) -> None:
        known = (*_DECODERS, *NAMES)
        if self.encoding not in known:
            raise UsageError(f"RTP encoding {self.encoding!r} is not known: use {', '.join(known)}")
        if not 8000 <= self.rate <= 48000 or self.channels not in (1, 2):
            raise UsageError("RTP sound must have 8000 to 48000 samples a second, 1 or 2 channels")

    @property
    def clock(self) -> int:
        """Ticks of the timestamp a second."""
        # G.722 counts as if it had 8000 samples: an error of RFC 1890 that was kept.
        return 8000 if self.encoding == "G722" else self.rate

    def fits(self, other: "RtpFormat") -> bool:
        """Whether a sender may change from one to the other in the middle of a stream."""
        return (self.rate, self.clock, self.channels) == (other.rate, other.clock, other.channels)

    def new_decoder(self) -> Decode:
        """What decodes one sender's payloads. Raises `UsageError` if there is none."""
        if self.encoding in NAMES:
            return open_decoder(self.encoding, self.rate, self.channels)
        return self._decode

    def _decode(self, payload: bytes) -> Samples:
        """The sound of a payload; an incomplete frame is left out."""
        flat = _DECODERS[self.encoding](payload)
        return flat[: len(flat) // self.channels * self.channels].reshape(-1, self.channels)


@dataclass(frozen=True, slots=True)
class PayloadTypes:
    """What the payload types of a call mean, by their numbers."""

    sound: Mapping[int, RtpFormat]
    noise: frozenset[int] = frozenset({13, 19})
    """Comfort noise: silence that the sender describes instead of sending (RFC 3389)."""
    events: frozenset[int] = frozenset()
    """Telephone events, keys pressed (RFC 4733); they are heard by others."""
    redundant: frozenset[int] = frozenset()
    """Packets around other ones that repeat those before (RFC 2198)."""


STATIC: Final = PayloadTypes(
    {
        0: RtpFormat("PCMU", 8000),
        8: RtpFormat("PCMA", 8000),
        9: RtpFormat("G722", 16000),
        10: RtpFormat("L16", 44100, 2),
        11: RtpFormat("L16", 44100),
    }
)
"""Types that mean the same everywhere (RFC 3551, table 4), of those known here."""
