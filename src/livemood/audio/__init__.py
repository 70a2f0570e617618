"""Sound as numbers on a clock: blocks, the ring buffer, resampling."""

from livemood.audio.block import AudioBlock, Samples, Span
from livemood.audio.convert import to_samples
from livemood.audio.downmix import Downmix
from livemood.audio.resample import StreamResampler, resample
from livemood.audio.ring import Overrun, RingBuffer

__all__ = [
    "AudioBlock",
    "Downmix",
    "Overrun",
    "RingBuffer",
    "Samples",
    "Span",
    "StreamResampler",
    "resample",
    "to_samples",
]
