"""Many ports, and many senders on each, read by one thread."""

import logging
import queue
import selectors
import threading
import time
from collections.abc import Callable
from typing import Final, Self

from livemood.sources.rtp.port import RtpPort

log = logging.getLogger(__name__)


class RtpReceiver:
    """Reads all of its ports in one thread, however many senders there are.

    Use it as a context manager.
    """

    FEW: Final = 8
    """With more senders packets gather for a while: waking up costs as much as some packets."""
    PACE_S: Final = 0.004
    LONGEST_PACE_S: Final = 0.01
    """Reached at 100 senders."""
    SWEEP_S: Final = 0.25

    def __init__(self, swept: Callable[[], None] = lambda: None) -> None:
        """`swept` is called by the thread several times a second."""
        self._swept = swept
        self._selector = selectors.DefaultSelector()
        self._ports: set[RtpPort] = set()
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="livemood-rtp", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Drop every sender and close all ports."""
        self._stopped.set()
        self._thread.join(5.0)
        self._selector.close()

    def listen(self, port: RtpPort) -> RtpPort:
        """Read `port` from now on, until it is closed."""
        self._asked.put(lambda: self._add(port))
        return port

    def close(self, port: RtpPort) -> None:
        """Drop the senders of `port` and close it, soon."""
        self._asked.put(lambda: self._remove(port))

    @property
    def ports(self) -> list[RtpPort]:
        """The ports that it reads."""
        return list(self._ports)

    def _work(self) -> None:
        next_sweep = 0.0
        while not self._stopped.is_set():
            while not self._asked.empty():
                self._asked.get()()
            ready = self._selector.select(0.02)
            if (senders := sum(len(port.senders) for port in self._ports)) > self.FEW:
                time.sleep(min(self.LONGEST_PACE_S, max(self.PACE_S, senders / 10_000)))
            for key, _ in ready:
                self._guarded(key.data)
            now = time.monotonic()
            sweeping = now >= next_sweep
            for port in list(self._ports):
                if port.holding:
                    self._guarded(port.due, now)
                if sweeping:
                    self._guarded(port.sweep, now)
            if sweeping:
                self._guarded(self._swept)
                next_sweep = now + self.SWEEP_S
        while not self._asked.empty():
            self._asked.get()()
        for port in list(self._ports):
            self._remove(port)
        self._guarded(self._swept)

    def _guarded(self, work: Callable[..., None], *given: float) -> None:
        """A fault of one port, or of what takes its blocks, must not end the others."""
        try:
            work(*given)
        except Exception:
            log.exception("a call was not heard in full")

    def _add(self, port: RtpPort) -> None:
        self._ports.add(port)
        self._selector.register(port.socket, selectors.EVENT_READ, port.read)
        if port.control:
            self._selector.register(port.control, selectors.EVENT_READ, port.read_control)

    def _remove(self, port: RtpPort) -> None:
        if port in self._ports:
            self._ports.discard(port)
            self._selector.unregister(port.socket)
            if port.control:
                self._selector.unregister(port.control)
        self._guarded(port.close)
