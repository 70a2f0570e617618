"""Codecs that keep a state: G.722 and Opus, by FFmpeg's libraries through PyAV (extra `rtp`)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from livemood.audio import Samples
from livemood.errors import UsageError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

NAMES: Final = {"G722": "g722", "OPUS": "libopus"}
"""Encodings, as RTP calls them, and their decoders."""

Decode = Callable[[bytes], Samples]
"""A payload to its sound, float32 (frames, channels). Raises `Undecodable`."""


class Undecodable(ValueError):  # noqa: N818 - what was received, not a fault of ours
    """A payload that its codec cannot read."""


def open_decoder(encoding: str, rate: int, channels: int) -> Decode:
    """A new decoder for one sender. Raises `UsageError` if PyAV is not installed."""
    try:
        import av
        from av.audio.codeccontext import AudioCodecContext
    except ImportError:
        raise UsageError(
            f"{encoding} needs a decoder that is not installed: pip install 'livemood[rtp]'"
        ) from None
    context = av.CodecContext.create(NAMES[encoding], "r")
    assert isinstance(context, AudioCodecContext)  # noqa: S101 - both names are audio codecs
    context.sample_rate = rate
    context.layout = "mono" if channels == 1 else "stereo"

    def decode(payload: bytes) -> Samples:
        if not payload:  # to FFmpeg this would be the end of the stream
            raise Undecodable("empty")
        try:
            frames = context.decode(av.Packet(payload))
        except (av.FFmpegError, ValueError) as error:
            raise Undecodable(str(error)) from None
        pieces = [samples_of(frame) for frame in frames]
        return np.concatenate(pieces) if pieces else np.empty((0, channels), np.float32)

    return decode


def samples_of(frame: "AudioFrame") -> Samples:
    """Sound of a frame, packed or planar, 16 bits or float, as float32 (frames, channels)."""
    values = frame.to_ndarray()
    if values.dtype == np.int16:
        values = values.astype(np.float32) / np.float32(32768.0)
    channels = len(frame.layout.channels)
    shaped = values.T if frame.format.is_planar else values.reshape(-1, channels)
    return np.ascontiguousarray(shaped, np.float32)
