"""Channels of a source that must not be heard."""

from collections.abc import Iterable, Iterator

from livemood.audio import AudioBlock
from livemood.errors import UsageError
from livemood.sources.base import BlockSource


class IgnoredChannels:
    """A source, some of whose channels are silent: what is on them is not read.

    Channels keep their numbers. Gaps stay, since time goes on.
    """

    def __init__(self, source: BlockSource, ignored: Iterable[int]) -> None:
        """Raises `UsageError` for a channel that the source does not have."""
        self._source, self._ignored = source, sorted(set(ignored))
        for channel in self._ignored:
            if not 0 <= channel < source.channels:
                raise UsageError(
                    f"{source.name} has no channel {channel} to ignore: "
                    f"its channels are 0 to {source.channels - 1}"
                )
        self.name, self.live = source.name, source.live
        self.sample_rate, self.channels = source.sample_rate, source.channels
        self.duration_s: float | None = getattr(source, "duration_s", None)

    def blocks(self) -> Iterator[AudioBlock]:
        """The source's sound, without that of the ignored channels."""
        for block in self._source.blocks():
            if block.channel is not None:
                silent = block.samples * 0 if block.channel in self._ignored else block.samples
                yield block._replace(samples=silent)
                continue
            samples = block.samples.copy()
            samples[:, self._ignored] = 0
            yield block._replace(samples=samples)

    def stop(self) -> None:
        """End the sound."""
        self._source.stop()
