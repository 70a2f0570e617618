"""Sound as numbers on a clock: blocks, the ring buffer, resampling."""

from livemood.audio.block import AudioBlock, Span
from livemood.audio.ring import Overrun, RingBuffer

__all__ = ["AudioBlock", "Overrun", "RingBuffer", "Span"]
