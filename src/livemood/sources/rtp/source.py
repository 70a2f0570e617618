"""One call as a source of sound."""

import queue
import threading
from collections.abc import Iterator
from typing import Final

from livemood.audio import AudioBlock
from livemood.errors import SourceError, UsageError
from livemood.sources.rtp.formats.payload import STATIC, PayloadTypes, RtpFormat
from livemood.sources.rtp.port import RtpPort
from livemood.sources.rtp.receiver import RtpReceiver
from livemood.sources.rtp.sender import Take


class RtpSource:
    """The first sender that is heard on a port, until it says goodbye or is silent for `idle_s`.

    Bound at once; what it sends is known once `wait` has returned true. Other senders on the port
    are not listened to, but where it stops and another one at the same host begins, that goes on.
    """

    STRAYS: Final = 10
    """Packets that cannot be heard before somebody is told."""

    def __init__(
        self,
        host: str,
        port: int,
        types: PayloadTypes = STATIC,
        idle_s: float = 10.0,
    ) -> None:
        """Raises `SourceError` if the address cannot be used."""
        self._blocks: queue.SimpleQueue[AudioBlock | None] = queue.SimpleQueue()
        self._came = threading.Event()
        self._stopped = False
        self.live = True
        self._port = RtpPort(host, port, self._opened, types=types, idle_s=idle_s, parties=1)
        self.port = self._port.port
        self.name = f"rtp {host}:{self.port}"
        self.sample_rate = self.channels = 0
        self._receiver = RtpReceiver().__enter__()
        self._receiver.listen(self._port)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a sender; whether one came. May be interrupted by Ctrl-C."""
        return self._came.wait(timeout)

    def check(self) -> None:
        """Raise `SourceError` if somebody sends what nobody can hear."""
        refused = self._port.refused
        if refused["no decoder"]:
            raise SourceError(
                f"what is sent to {self.name} needs a decoder that PyAV lacks: reinstall av"
            )
        if refused["unknown payload type"] > self.STRAYS:
            raise SourceError(
                f"what is sent to {self.name} has a payload type that says nothing by itself: "
                "describe it with --sdp FILE"
            )

    def blocks(self) -> Iterator[AudioBlock]:
        """The sender's sound. Raises `SourceError` if nobody was waited for."""
        if not self._came.is_set():
            raise SourceError(f"nobody sends to {self.name}")
        try:
            while not self._stopped and (block := self._blocks.get()) is not None:
                yield block
        finally:
            self._receiver.__exit__()

    def stop(self) -> None:
        """End the sound where it is."""
        self._stopped = True
        self._blocks.put(None)

    def close(self) -> None:
        """Give the port back, if nobody was ever heard."""
        self._receiver.__exit__()

    def _opened(self, _ssrc: int, form: RtpFormat) -> Take | None:
        if self._came.is_set():
            return None
        self.sample_rate, self.channels = form.rate, form.channels
        self._came.set()
        return self._blocks.put


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, an IPv6 host in brackets. Raises `UsageError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"give an address as HOST:PORT, such as 127.0.0.1:5004, not {text!r}")
    return host.strip("[]"), int(port)
