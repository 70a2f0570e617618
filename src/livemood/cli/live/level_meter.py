"""How loud each channel is, for the terminal: a source that is listened to on its way."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from livemood.audio import AudioBlock
from livemood.sources import BlockSource

SILENT_DB: Final = -90.0
"""What no sound counts as, in dB of full scale."""
FALL_DB_PER_S: Final = 24.0
"""How fast the level falls: slow enough to be read, fast enough to follow speech."""


class LevelMeter:
    """The level of each channel: rises at once, falls slowly. Pure."""

    def __init__(self, rate: int, channels: int) -> None:
        """`rate` samples a second."""
        self._rate = rate
        self.levels_db = [SILENT_DB] * channels
        """Root mean square of the last sound, in dB of full scale."""

    def push(self, block: AudioBlock) -> None:
        """Take the next block, of all channels or of one."""
        if not len(block.samples):  # it only says that sound was lost
            channels = [block.channel] if block.channel is not None else range(len(self.levels_db))
            for channel in channels:
                self.levels_db[channel] = SILENT_DB
            return
        power = np.mean(np.square(np.nan_to_num(block.samples)), axis=0)
        fall = FALL_DB_PER_S * len(block.samples) / self._rate
        first = block.channel or 0
        for number, mean in enumerate(power, first):
            now = max(SILENT_DB, 10 * float(np.log10(max(float(mean), 1e-12))))
            self.levels_db[number] = max(now, self.levels_db[number] - fall)


class Metered:
    """A source whose level is measured as its sound goes by."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self.name, self.live = source.name, source.live
        self.sample_rate, self.channels = source.sample_rate, source.channels
        self.duration_s: float | None = getattr(source, "duration_s", None)
        self.meter = LevelMeter(self.sample_rate, self.channels)

    def blocks(self) -> Iterator[AudioBlock]:
        """The source's sound. Raises what the source raises."""
        for block in self._source.blocks():
            self.meter.push(block)
            yield block

    def stop(self) -> None:
        """End the sound."""
        self._source.stop()
