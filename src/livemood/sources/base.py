"""What every source of sound offers to the engine; `livemood.Source` is what a user writes."""

from collections.abc import Iterator
from typing import Protocol

from livemood.audio import AudioBlock


class BlockSource(Protocol):
    """Yields blocks of sound until it ends or is stopped."""

    name: str
    """What a user calls it."""
    sample_rate: int
    """Samples a second."""
    channels: int
    live: bool
    """Whether sound comes at the pace of time, whether anybody is ready for it or not."""

    def blocks(self) -> Iterator[AudioBlock]:
        """The sound, once. Raises `SourceError` where it cannot go on."""

    def stop(self) -> None:
        """Make `blocks` end soon; may be called from any thread."""
