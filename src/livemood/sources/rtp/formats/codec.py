"""Codecs that keep a state: G.722 and Opus, by FFmpeg's libraries through PyAV."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from livemood.audio import Downmix, Samples
from livemood.errors import UsageError
from livemood.sources.frames import samples_of

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

NAMES: Final = {"G722": "g722", "OPUS": "libopus"}
"""Encodings, as RTP calls them, and their decoders."""

Decode = Callable[[bytes], Samples]
"""A payload to its sound, float32 (frames, channels). Raises `Undecodable`."""


class Undecodable(ValueError):  # noqa: N818 - what was received, not a fault of ours
    """A payload that its codec cannot read."""


def open_decoder(encoding: str, rate: int, channels: int) -> Decode:
    """A new decoder for one sender. Raises `UsageError` if this FFmpeg has none."""
    import av
    from av.audio.codeccontext import AudioCodecContext

    try:
        context = av.CodecContext.create(NAMES[encoding], "r")
    except ValueError:
        raise UsageError(f"{encoding} cannot be decoded: this PyAV lacks its decoder") from None
    assert isinstance(context, AudioCodecContext)  # noqa: S101 - both names are audio codecs
    context.sample_rate = rate
    # Any Opus packet may be stereo, whatever was declared (RFC 7587); libopus itself would mix it
    # by the mean, in which channels of opposite polarity cancel each other.
    mix = Downmix(rate) if encoding == "OPUS" and channels == 1 else None
    context.layout = "mono" if channels == 1 and mix is None else "stereo"

    return Decoder(context, mix, channels)


class Decoder:
    """What decodes the payloads of one sender, one after the other."""

    def __init__(self, context: "AudioCodecContext", mix: Downmix | None, channels: int) -> None:
        self._context, self._mix, self._channels = context, mix, channels

    @property
    def cancels(self) -> bool:
        """Whether the channels that it mixes cancel each other now."""
        return bool(self._mix and self._mix.cancels)

    def __call__(self, payload: bytes) -> Samples:
        """A payload's sound, float32 (frames, channels). Raises `Undecodable`."""
        import av

        if not payload:  # to FFmpeg this would be the end of the stream
            raise Undecodable("empty")
        try:
            frames = self._context.decode(av.Packet(payload))
        except (av.FFmpegError, ValueError) as error:
            raise Undecodable(str(error)) from None
        pieces = [samples_of(frame) for frame in frames]
        if not pieces:
            return np.empty((0, self._channels), np.float32)
        joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return self._mix.push(joined) if self._mix else joined
