"""A block of sound and a span of samples, both on the stream's absolute sample clock."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Sound in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Span:
    """Samples from `start` up to but not including `end`, counted since the stream began."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"a span needs 0 <= start <= end, not {self.start}..{self.end}")

    def __len__(self) -> int:
        return self.end - self.start


class AudioBlock(NamedTuple):
    """What a source gives: sound that follows the last block, or a hole where sound was lost."""

    start: int
    """Index of the first sample since the stream began, at the source's own rate."""

    samples: Samples
    """float32, shape (frames, channels), in [-1, 1]."""

    captured_at: float
    """Monotonic time in seconds at which the last sample was captured."""

    gap_cause: str = "source_lost"
    """Why samples are missing, if `start` lies past the end of the block before it."""

    pace: float = 1.0
    """Seconds of sound in one second of time: above 1 for a file that is played faster."""

    channel: int | None = None
    """Its channel, if the channels of a session arrive separately. None: it has all of them."""

    cancelled: bool = False
    """Whether it was mixed from channels that cancel each other: see `Downmix`."""

    @property
    def end(self) -> int:
        """Index of the sample after the last one."""
        return self.start + len(self.samples)

    @property
    def channels(self) -> int:
        """How many channels the block has."""
        return int(self.samples.shape[1])
