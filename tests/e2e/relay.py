"""A network that a test can hold up, cut and bar: TCP from one port to another of this machine."""

import socket
import threading
from contextlib import suppress

PIECE = 65536


class Relay:
    """Hands on what comes, both ways, to `target`; as a context.

    `new` is what happens to new connections: `flow`; `hold`: they are taken, and nothing comes;
    `bar`: they are broken at once; `drop`: they are broken after the first answer. While
    `swallows`, nothing comes over those that there are either, and nobody is told.
    """

    def __init__(self, target):
        self._target = target
        self.new = "flow"
        self.swallows = False
        self._ends = set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._door.close()
        self.cut()

    def cut(self):
        """Break every connection that there is."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                if self.new == "bar":
                    near.close()
                    continue
                self._ends.add(near)
                if self.new == "hold":
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends.add(far)
                once = self.new == "drop"
                for pair in ((near, far, False), (far, near, once)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source, sink, once):
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if not self.swallows:
                    sink.sendall(piece)
                if once:
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
