"""Microphones, what the computer plays, and several of them at once."""

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from livemood.audio import AudioBlock
from livemood.errors import DeviceError, SourceError, UsageError
from livemood.sources.base import BlockSource
from livemood.sources.microphone import Microphone, input_devices
from livemood.sources.reopened import ReopenedDevice

LOOPBACK: Final = "loopback"
"""Names what the computer plays: the other side of a call in a browser or a meeting program."""
DEFAULT: Final = "mic"
"""Names the default microphone."""
RATE: Final = 48_000
"""Of several devices together."""
_HOW: Final = {
    "win32": "choose 'Stereo Mix' or a virtual cable with --device",
    "darwin": "install BlackHole, and choose it with --device BlackHole",
}


def open_devices(names: Sequence[str], waiting: Callable[[str], None] | None = None) -> BlockSource:
    """One device, or several, each a channel. Without names it is the default microphone.

    With `waiting` one that is unplugged is waited for, and `waiting` is told so in one line; else
    it ends the sound.

    Raises `DeviceError` if one cannot be had, `UsageError` if none or several match a name.
    """
    if len(names) < 2:
        return _device(names[0] if names else None, None, waiting)
    return Together([_device(name, RATE, waiting) for name in names])


def _device(
    name: str | None, rate: int | None, waiting: Callable[[str], None] | None
) -> BlockSource:
    if waiting is None:
        return _open(name, rate)
    return ReopenedDevice(lambda again: _open(name, again or rate), waiting)


def _open(name: str | None, rate: int | None) -> Microphone:
    if name == LOOPBACK:
        return Loopback(rate)
    return Microphone(None if name == DEFAULT else name, rate)


class Loopback(Microphone):
    """What the computer plays, through the monitor of PulseAudio's or PipeWire's default output."""

    MONITOR: Final = "@DEFAULT_MONITOR@"

    def __init__(self, rate: int | None = None) -> None:
        """Raises `DeviceError` where the platform has no monitor."""
        if sys.platform in _HOW:
            raise DeviceError(f"this system cannot record what it plays: {_HOW[sys.platform]}")
        found = next((d for d in input_devices() if d.name in ("pulse", "pipewire")), None)
        if found is None:
            raise DeviceError(
                "what the computer plays needs PulseAudio or PipeWire: install libasound2-plugins"
            )
        super().__init__(found.index, rate)
        self.name = LOOPBACK

    def _connect(self) -> Any:  # noqa: ANN401 - a PortAudio stream
        # The client library takes the name of its source from the environment, as it connects.
        before = os.environ.get("PULSE_SOURCE")
        os.environ["PULSE_SOURCE"] = self.MONITOR
        try:
            return super()._connect()
        finally:
            if before is None:
                del os.environ["PULSE_SOURCE"]
            else:
                os.environ["PULSE_SOURCE"] = before


class Together:
    """Several devices of one channel each, as the channels of one source, on one clock.

    Where one begins later than the first, the time before is a gap.
    """

    live = True
    WAITING: Final = 1000
    """Blocks of all devices that may wait to be taken."""

    def __init__(self, sources: Sequence[BlockSource]) -> None:
        """Raises `UsageError` if they differ in their rates."""
        if len({source.sample_rate for source in sources}) != 1:
            raise UsageError("devices that are heard together must have one sample rate")
        self._sources = list(sources)
        self.name = " + ".join(source.name for source in sources)
        self.sample_rate, self.channels = sources[0].sample_rate, len(sources)
        self._queue: queue.Queue[tuple[int, AudioBlock | Exception | None]] = queue.Queue(
            self.WAITING
        )
        self._stopped = threading.Event()

    def blocks(self) -> Iterator[AudioBlock]:
        """Blocks of one channel each. Raises `SourceError` when one device goes away."""
        threads = [
            threading.Thread(target=self._bring, args=(n,), name="livemood-device", daemon=True)
            for n in range(len(self._sources))
        ]
        for thread in threads:
            thread.start()
        began: float | None = None
        offsets: dict[int, int] = {}
        try:
            while not self._stopped.is_set():
                channel, came = self._queue.get()
                if isinstance(came, Exception):
                    raise came
                if came is None:
                    break
                if channel not in offsets:
                    begin = came.captured_at - came.end / self.sample_rate
                    began = begin if began is None else began
                    offsets[channel] = max(0, round((begin - began) * self.sample_rate))
                yield came._replace(start=came.start + offsets[channel], channel=channel)
        finally:
            self.stop()
            for thread in threads:
                thread.join(5.0)

    def stop(self) -> None:
        """End the sound of all."""
        self._stopped.set()
        for source in self._sources:
            source.stop()
        self._put(0, None)

    def _bring(self, channel: int) -> None:
        try:
            for block in self._sources[channel].blocks():
                self._put(channel, block)
            self._put(channel, None)
        except SourceError as error:
            self._put(channel, error)

    def _put(self, channel: int, what: AudioBlock | Exception | None) -> None:
        while True:
            try:
                self._queue.put((channel, what), timeout=0.2)
            except queue.Full:
                if not self._stopped.is_set():
                    continue
            return
