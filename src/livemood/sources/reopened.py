"""A device that is waited for when it is unplugged, and heard again when it is back."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from livemood.audio import AudioBlock
from livemood.errors import DeviceError, UsageError
from livemood.sources.base import BlockSource
from livemood.sources.microphone import look_again

UNPLUGGED: Final = "device_unplugged"
"""The cause of the gaps while it is away."""


class OneClock:
    """Sound of a device that comes and goes, on the clock of its first sound. Pure.

    The clock goes on while the device is away, by the time of capture; what was not heard is a gap.
    """

    def __init__(self, rate: int) -> None:
        """`rate` samples a second."""
        self._rate = rate
        self._began: float | None = None
        self._offset, self._end = 0, 0
        self._returned = False

    @property
    def heard(self) -> bool:
        """Whether any sound has come."""
        return self._began is not None

    def place(self, block: AudioBlock) -> AudioBlock:
        """The block where it belongs. `captured_at` is that of its last sample."""
        if self._began is None:
            self._began = block.captured_at - block.end / self._rate
        cause = block.gap_cause
        if self._returned:
            self._returned = False
            now = self._at(block.captured_at) - len(block.samples)
            self._offset = max(self._end, now) - block.start
            cause = UNPLUGGED
        placed = block._replace(start=block.start + self._offset, gap_cause=cause)
        self._end = placed.end
        return placed

    def away(self, now: float) -> AudioBlock:
        """The device is away at `now`, in monotonic seconds: a block that only says so."""
        self._returned = True
        self._end = max(self._end, self._at(now))
        return AudioBlock(self._end, np.zeros((0, 1), np.float32), now, UNPLUGGED)

    def _at(self, now: float) -> int:
        return round((now - (self._began or 0.0)) * self._rate)


class ReopenedDevice:
    """A device of one channel whose sound goes on when it comes back."""

    live = True
    EVERY_S: Final = 1.0
    """How often it is looked for."""

    def __init__(
        self, open_device: Callable[[int | None], BlockSource], say: Callable[[str], None]
    ) -> None:
        """`open_device` opens it at a rate, by default at its own; `say` is told in one line.

        Raises what `open_device` raises: a device that was never there is not waited for.
        """
        self._open, self._say = open_device, say
        self._device = open_device(None)
        self.name, self.channels = self._device.name, self._device.channels
        self.sample_rate = self._device.sample_rate
        self._stopped = threading.Event()
        self._clock = OneClock(self.sample_rate)

    def blocks(self) -> Iterator[AudioBlock]:
        """Sound until `stop`. Raises `DeviceError` if there never was any."""
        while not self._stopped.is_set():
            try:
                for block in self._device.blocks():
                    yield self._clock.place(block)
                return
            except DeviceError as error:
                if not self._clock.heard:
                    raise
                self._device.stop()
                self._say(f"{error} Waiting for it: plug it in again, or end with Ctrl-C.")
            yield from self._until_back()

    def stop(self) -> None:
        """End the sound."""
        self._stopped.set()
        self._device.stop()

    def _until_back(self) -> Iterator[AudioBlock]:
        """Blocks that say that it is away, until it sounds again."""
        while not self._stopped.is_set():
            yield self._clock.away(time.monotonic())
            if self._stopped.wait(self.EVERY_S):
                return
            try:
                look_again()
                device = self._open(self.sample_rate)
                rest = device.blocks()
                first = next(rest, None)
            except (DeviceError, UsageError):
                continue
            if first is None:
                continue
            self._device = _Begun(device, first, rest)
            if self._stopped.is_set():
                device.stop()
            self._say(f"microphone {self.name!r} is back")
            return


class _Begun:
    """A device of which the first block was taken already."""

    live = True

    def __init__(self, device: BlockSource, first: AudioBlock, rest: Iterator[AudioBlock]) -> None:
        self._device, self._first, self._rest = device, first, rest
        self.name, self.channels = device.name, device.channels
        self.sample_rate = device.sample_rate

    def blocks(self) -> Iterator[AudioBlock]:
        yield self._first
        yield from self._rest

    def stop(self) -> None:
        self._device.stop()
