"""A bad network: what it does to packets, as a pure object, and as a relay between sockets."""

import heapq
import random
import selectors
import socket
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Conditions:
    """What a network does to packets."""

    loss: float = 0.0
    """Probability that a packet is lost."""
    burst: float = 0.0
    """Probability that a loss begins a burst, in which half of the packets are lost; 200 ms long
    on average."""
    jitter_s: float = 0.0
    """Packets take up to so much longer."""
    reorder: float = 0.0
    """Probability that a packet takes 30 to 60 ms longer, and is overtaken."""
    duplicate: float = 0.0
    """Probability that a packet comes twice, up to 50 ms apart."""
    drift_ppm: float = 0.0
    """By how much the sender's clock is slow."""


class Network:
    """Decides each packet's fate. A pure object."""

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self._is, self._random = conditions, random.Random(seed)
        self._in_burst = False

    def delays(self) -> list[float]:
        """Of the next packet, one for each time that it comes; none if it is lost."""
        c, rng = self._is, self._random
        if self._in_burst:
            self._in_burst = rng.random() > 0.1  # ten packets on average
            if rng.random() < 0.5:
                return []
        elif rng.random() < c.burst:
            self._in_burst = True
            return []
        if rng.random() < c.loss:
            return []
        delay = rng.uniform(0.0, c.jitter_s)
        if rng.random() < c.reorder:
            delay += rng.uniform(0.03, 0.06)
        again = [delay + rng.uniform(0.0, 0.05)] if rng.random() < c.duplicate else []
        return [delay, *again]


class Relay:
    """A UDP relay to `port` that spoils what passes, in a thread of its own."""

    def __init__(self, port: int, conditions: Conditions, seed: int) -> None:
        self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.bind(("127.0.0.1", 0))
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._out.connect(("127.0.0.1", port))
        self.port = self._in.getsockname()[1]
        self._network = Network(conditions, seed)
        self.dropped = self.passed = 0
        self.quiet = threading.Event()
        """Clear while packets still pass."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        self._in.close()
        self._out.close()

    def _work(self) -> None:
        coming: list[tuple[float, int, bytes]] = []
        dropped, order = 0, 0
        with selectors.DefaultSelector() as ready:
            ready.register(self._in, selectors.EVENT_READ)
            while not self._stop.is_set():
                wait = coming[0][0] - time.monotonic() if coming else 0.1
                if ready.select(max(0.0, min(0.1, wait))):
                    data = self._in.recv(2048)
                    delays = self._network.delays() if order else [0.0]
                    # What is lost at the very end nobody can know of: counted once more comes.
                    dropped += not delays
                    if delays:
                        self.dropped += dropped
                        self.passed += 1
                        dropped = 0
                    for delay in delays:
                        order += 1
                        heapq.heappush(coming, (time.monotonic() + delay, order, data))
                while coming and coming[0][0] <= time.monotonic():
                    self._out.send(heapq.heappop(coming)[2])
