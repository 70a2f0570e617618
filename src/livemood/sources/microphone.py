"""Microphones through PortAudio, which is looked for only when one is opened."""

import atexit
import contextlib
import ctypes
import ctypes.util
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from livemood.audio import AudioBlock, Downmix, Samples
from livemood.errors import DeviceError, UsageError
from livemood.sources.callbacks import CallbackClock

log = logging.getLogger(__name__)
_opened: set[int] = set()
"""Devices that are open, by the identity of their objects: PortAudio must not start anew."""
_opened_lock = threading.Lock()
_opening = threading.Lock()
"""One device opens at a time: what it connects to may hang on the environment."""

INSTALL_PORTAUDIO = (
    "install PortAudio: apt install libportaudio2 (Debian, Ubuntu), dnf install portaudio "
    "(Fedora), brew install portaudio (macOS)"
)


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A device that sound can be recorded from."""

    index: int
    name: str
    channels: int
    sample_rate: int
    default: bool


def portaudio() -> ModuleType:
    """The sounddevice module. Raises `DeviceError` if PortAudio is not installed."""
    try:
        import sounddevice
    except OSError:
        raise DeviceError(f"PortAudio was not found; {INSTALL_PORTAUDIO}") from None
    module: ModuleType = sounddevice
    quiet_alsa()
    return module


@cache
def quiet_alsa() -> None:
    """Keep ALSA from writing lines of its own to stderr: what matters is said as an error.

    Does nothing where there is no ALSA. The handler's last arguments vary and are not looked at.
    """
    name = ctypes.util.find_library("asound") if sys.platform == "linux" else None
    if name is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(name).snd_lib_error_set_handler(_DROP)


_DROP = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)(lambda *_: None)
"""Kept for as long as the program runs: ALSA does not hold it."""


def look_again() -> None:
    """Let PortAudio see what was plugged in since; not while a device is open."""
    sd = portaudio()
    with _opened_lock:
        if not _opened:
            sd._terminate()
            sd._initialize()


def input_devices() -> list[InputDevice]:
    """All input devices, as PortAudio numbers them."""
    sd = portaudio()
    default = sd.default.device[0]
    return [
        InputDevice(
            index,
            str(info["name"]),
            int(info["max_input_channels"]),
            int(info["default_samplerate"]),
            index == default,
        )
        for index, info in enumerate(sd.query_devices())
        if info["max_input_channels"] > 0
    ]


def find_device(wanted: str | int | None) -> InputDevice:
    """The device with this index, or whose name contains `wanted`; the default one for None.

    Raises `DeviceError` if there is no microphone, `UsageError` if none or several match.
    """
    devices = input_devices()
    if not devices:
        raise DeviceError("no microphone was found: plug one in, or use --file")
    if wanted is None:
        chosen = [d for d in devices if d.default] or devices[:1]
    elif str(wanted).isdecimal():
        chosen = [d for d in devices if d.index == int(wanted)]
    else:
        chosen = [d for d in devices if d.name == wanted]
        chosen = chosen or [d for d in devices if str(wanted).lower() in d.name.lower()]
    if not chosen:
        known = ", ".join(f"{d.index} {d.name}" for d in devices)
        raise UsageError(f"no input device matches {wanted!r}; there are: {known}")
    if len(chosen) > 1:
        several = ", ".join(f"{d.index} {d.name}" for d in chosen)
        raise UsageError(f"{wanted!r} matches several input devices: {several}; give an index")
    return chosen[0]


class Microphone:
    """One channel of an input device.

    PortAudio's thread puts blocks into a bounded queue and never waits; what does not fit is lost
    and shows as a gap, as does what the driver reports as overflown, and what a suspended device
    never brought.
    """

    BLOCK_S = 0.01
    SILENT_S = 5.0
    """A device that delivers nothing for so long is taken for unplugged: headsets and busy sound
    servers stand still for two seconds and go on."""
    OPENING_S = 10.0
    CLOSING_S = 2.0
    """A driver that does not open a device for so long, or does not let go of it, hangs."""
    live = True
    channels = 1

    def __init__(self, device: str | int | None = None, rate: int | None = None) -> None:
        """`rate` in Hz; none takes the device's own."""
        self._sd = portaudio()
        found = find_device(device)
        self._index = found.index
        self.name = found.name
        self.sample_rate = rate or found.sample_rate
        self._inputs = min(2, found.channels)
        self._downmix = Downmix(self.sample_rate)
        self._warned = False
        self._queue: queue.Queue[AudioBlock | None] = queue.Queue(maxsize=round(5 / self.BLOCK_S))
        self._clock = CallbackClock(self.sample_rate)
        self._adc_end: float | None = None
        self._cause = "queue_full"
        self._stopping = threading.Event()

    def blocks(self) -> Iterator[AudioBlock]:
        """Sound until `stop`. Raises `DeviceError` when the device goes away."""
        try:
            with self._opened():
                for block in self._queued():
                    mono = self._mixed(block.samples)
                    yield block._replace(samples=mono, cancelled=self._downmix.cancels)
        except self._sd.PortAudioError as error:
            raise DeviceError(
                f"microphone {self.name!r} cannot be used ({_reason(error)}): is another program "
                "using it, or is it unplugged?"
            ) from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        """Hold the device open, and let go of it. Neither waits for a driver that hangs."""
        stream = self._bounded(self._begin, self.OPENING_S, self._close)
        try:
            yield
        finally:
            try:
                self._bounded(lambda: self._close(stream), self.CLOSING_S)
            except DeviceError as error:
                log.warning("%s; it is left behind", error)

    def _bounded(
        self,
        call: Callable[[], Any],
        seconds: float,
        undo: Callable[[Any], None] = lambda _: None,
    ) -> Any:  # noqa: ANN401
        """What `call` returns. Raises `DeviceError` if that takes longer; `undo` gets it then."""
        done: Future[Any] = Future()

        def work() -> None:
            try:
                result = call()
            except BaseException as error:
                with contextlib.suppress(InvalidStateError):
                    done.set_exception(error)
                return
            try:
                done.set_result(result)
            except InvalidStateError:
                undo(result)

        threading.Thread(target=work, name="livemood-driver", daemon=True).start()
        try:
            return done.result(seconds)
        except TimeoutError:
            if not done.cancel():
                return done.result()
            # PortAudio would wait for the driver once more as the program ends.
            atexit.unregister(self._sd._exit_handler)
            raise DeviceError(
                f"microphone {self.name!r}: the sound system does not answer"
            ) from None

    def _begin(self) -> Any:  # noqa: ANN401 - a PortAudio stream
        """Open and start the stream."""
        with _opened_lock:
            _opened.add(id(self))
        try:
            with _opening:
                stream = self._connect()
            stream.start()
        except BaseException:
            with _opened_lock:
                _opened.discard(id(self))
            raise
        return stream

    def _close(self, stream: Any) -> None:  # noqa: ANN401 - a PortAudio stream
        stream.abort()
        stream.close()
        with _opened_lock:
            _opened.discard(id(self))

    def _connect(self) -> Any:  # noqa: ANN401 - a PortAudio stream
        """Two channels where the device has them: its driver might mix them to nothing."""
        for inputs in range(self._inputs, 0, -1):
            try:
                return self._sd.InputStream(
                    samplerate=self.sample_rate,
                    blocksize=round(self.BLOCK_S * self.sample_rate),
                    device=self._index,
                    channels=inputs,
                    dtype="float32",
                    latency="low",
                    callback=self._callback,
                    finished_callback=self._finished,
                )
            except self._sd.PortAudioError:
                if inputs == 1:
                    raise
        raise AssertionError("a device has at least one channel")

    def _mixed(self, samples: Samples) -> Samples:
        mono = self._downmix.push(samples)
        if self._downmix.cancelled and not self._warned:
            self._warned = True
            log.warning(
                "the channels of microphone %r cancel each other (opposite polarity): "
                "the louder one is taken; check its cable",
                self.name,
            )
        return mono

    def _queued(self) -> Iterator[AudioBlock]:
        while not self._stopping.is_set():
            try:
                block = self._queue.get(timeout=self.SILENT_S)
            except queue.Empty:
                block = None
            if block is not None:
                yield block
            elif not self._stopping.is_set():
                raise DeviceError(
                    f"microphone {self.name!r} stopped delivering sound: was it unplugged?"
                )

    def stop(self) -> None:
        """End the sound."""
        self._stopping.set()
        self._finished()

    def _callback(self, data: Any, frames: int, times: Any, status: Any) -> None:  # noqa: ANN401
        now = time.monotonic() - self._delay(frames, times)
        lost = 0
        if status.input_overflow:
            lost = self._lost(times.inputBufferAdcTime)
            self._cause = "input_overflow"
        self._adc_end = times.inputBufferAdcTime + frames / self.sample_rate
        for block in self._clock.push(np.array(data, np.float32), now, lost, self._cause):
            try:
                self._queue.put_nowait(block)
                self._cause = "queue_full"
            except queue.Full:
                pass  # the hole shows in the start of the next block that fits

    def _delay(self, frames: int, times: Any) -> float:  # noqa: ANN401
        """Seconds since the last sample met the converter, where the driver tells; else 0."""
        delay = times.currentTime - times.inputBufferAdcTime - frames / self.sample_rate
        return float(delay) if 0 < delay < 1 else 0.0

    def _lost(self, adc_time: float) -> int:
        """Samples dropped since the last block, by the driver's clock; at least one: it said so.

        From block to block, since over hours that clock and the sound card's drift apart.
        """
        if self._adc_end is None or adc_time <= 0:
            return 1
        return max(1, round((adc_time - self._adc_end) * self.sample_rate))

    def _finished(self) -> None:
        # If it is full, whoever reads is not waiting, and looks at the event next.
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].strip().rstrip(".")
