"""Sources of your own: one small protocol, and what the engine makes of it."""

import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livemood.audio import AudioBlock, to_samples
from livemood.errors import LivemoodError, SourceError, UsageError
from livemood.sources import BlockSource

Block = NDArray[np.float32] | NDArray[np.int16] | AudioBlock
"""Sound: float32 in [-1, 1] or int16, shape (n,) for one channel or (n, channels).

An `AudioBlock` says in addition when it was captured, and where on the stream's clock it lies.
"""

LOWEST_RATE, HIGHEST_RATE = 4000, 192_000
MOST_CHANNELS = 64


class Source(Protocol):
    """Where sound comes from.

        class RawSound:
            sample_rate, channels, live = 16000, 1, False

            def __init__(self, path):
                self.path = path

            def blocks(self):
                with open(self.path, "rb") as file:
                    while piece := file.read(640):
                        yield np.frombuffer(piece, np.int16)

        for event in livemood.listen(source=RawSound("call.pcm")):
            print(event)

    Its `blocks` runs in a thread of its own, so that a slow reader never holds it up. Optional
    attributes: `name` (text), `live` (true unless you say: sound comes at the pace of time;
    false: it waits until it is taken, and every window is read), and a method `stop`, called from
    another thread when the session is to end.
    """

    @property
    def sample_rate(self) -> int:
        """Samples a second, 4000 to 192000."""

    @property
    def channels(self) -> int:
        """How many people are heard apart, each on a channel."""

    def blocks(self) -> Iterator[Block]:
        """The sound, once, in blocks of any size; 10 to 20 ms are best.

        Raise `SourceError` where it cannot go on.
        """


class UserSource:
    """A source of yours with what the engine needs filled in, and its blocks checked."""

    LONGEST_BLOCK_S = 1.0
    """A longer one is handed on in pieces: the ring holds a few seconds."""

    def __init__(self, source: Source) -> None:
        self.name = str(getattr(source, "name", type(source).__name__))
        self.live = bool(getattr(source, "live", True))
        try:
            self.sample_rate, self.channels = int(source.sample_rate), int(source.channels)
        except (AttributeError, TypeError, ValueError) as error:
            raise UsageError(f"source {self.name}: {error}") from None
        check_format(self.sample_rate, self.channels)
        self._source = source
        self._stopped = threading.Event()

    def blocks(self) -> Iterator[AudioBlock]:
        """The sound. Raises `SourceError` if the source fails, whatever it raised."""
        at = 0
        try:
            for block in self._source.blocks():
                for piece in self._pieces(block, at):
                    if self._stopped.is_set():
                        return
                    at = piece.end
                    yield piece
        except SourceError:
            raise
        except LivemoodError as error:
            raise SourceError(str(error)) from error
        except Exception as error:  # anybody's code may raise anything
            raise SourceError(
                f"source {self.name} failed: {type(error).__name__}: {error}"
            ) from error

    def _pieces(self, block: Block, at: int) -> Iterator[AudioBlock]:
        if isinstance(block, AudioBlock):
            yield block
            return
        samples, now = to_samples(block, self.channels), time.monotonic()
        step = round(self.LONGEST_BLOCK_S * self.sample_rate)
        for first in range(0, len(samples), step):
            piece = samples[first : first + step]
            after = len(samples) - first - len(piece)
            captured = now - after / self.sample_rate if self.live else now
            yield AudioBlock(at + first, piece, captured)

    def stop(self) -> None:
        """Make `blocks` end soon."""
        self._stopped.set()
        stop: Any = getattr(self._source, "stop", None)
        if callable(stop):
            stop()


def check_format(sample_rate: int, channels: int) -> None:
    """Raise `UsageError` for a rate or a number of channels that cannot be."""
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise UsageError(
            f"the sample rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz, not {sample_rate}"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise UsageError(f"there may be from 1 to {MOST_CHANNELS} channels, not {channels}")


def block_source(source: Source | BlockSource) -> BlockSource:
    """The source as the engine needs it."""
    if getattr(type(source), "__module__", "").startswith("livemood.sources."):
        return source  # type: ignore[return-value]  # one of ours
    return UserSource(source)
