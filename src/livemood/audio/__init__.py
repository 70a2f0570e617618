"""Sound as numbers on a clock: blocks, the ring buffer, resampling."""

from livemood.audio.block import AudioBlock, Samples, Span
from livemood.audio.convert import scale_fault, to_clip, to_samples
from livemood.audio.dc import DcBlocker, without_offset
from livemood.audio.downmix import Downmix
from livemood.audio.level import FirstStep, LevelMeter, LevelPiece
from livemood.audio.resample import StreamResampler, resample
from livemood.audio.ring import Overrun, RingBuffer

__all__ = [
    "AudioBlock",
    "DcBlocker",
    "Downmix",
    "FirstStep",
    "LevelMeter",
    "LevelPiece",
    "Overrun",
    "RingBuffer",
    "Samples",
    "Span",
    "StreamResampler",
    "resample",
    "scale_fault",
    "to_clip",
    "to_samples",
    "without_offset",
]
