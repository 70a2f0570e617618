"""A listening socket that bounds what it accepts."""

import errno
import logging
import os
import socket
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from livemood.errors import LivemoodError, reason

log = logging.getLogger(__name__)

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What `accept` fails with when the process or the machine has no more to give."""


class Listener(socket.socket):
    """Accepts connections up to a limit, and closes what it cannot serve at once.

    A connection is new until `established`: without TLS that is when it is made, with TLS when its
    handshake is done. When there are too many new ones, the oldest gives way. When the process has
    no file descriptors left, a connection is accepted and closed with one that was kept for that:
    otherwise the event loop would try again and again, and log each time.
    """

    LOG_EVERY_S = 10.0

    def __init__(self, listening: socket.socket, most: int, most_new: int) -> None:
        """Take over a socket that listens; it is detached."""
        super().__init__(
            listening.family, listening.type, listening.proto, fileno=listening.detach()
        )
        self._most, self._most_new = most, most_new
        self._new: OrderedDict[Any, _Accepted] = OrderedDict()
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)
        self._shed, self._logged = 0, float("-inf")
        self.connections = 0
        """How many are open."""

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection, as `socket.accept`. Raises `BlockingIOError` if there is none."""
        try:
            accepted, address = super().accept()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self._shed_one()
            raise BlockingIOError from None
        if self.connections >= self._most and not self._new:
            accepted.close()
            self._tell()
            raise BlockingIOError
        if len(self._new) >= self._most_new or self.connections >= self._most:
            self._drop_oldest()
        connection = _Accepted(accepted, self, address)
        self._new[address] = connection
        self.connections += 1
        return connection, address

    def established(self, address: Any) -> None:  # noqa: ANN401 - of any family
        """The connection from `address` is not new any more."""
        self._new.pop(address, None)

    def close(self) -> None:
        """Stop listening."""
        super().close()
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)

    def gone(self, address: Any) -> None:  # noqa: ANN401
        """A connection was closed; it says so itself."""
        self._new.pop(address, None)
        self.connections -= 1

    def _drop_oldest(self) -> None:
        _, oldest = self._new.popitem(last=False)
        with suppress(OSError):  # it has gone
            oldest.shutdown(socket.SHUT_RDWR)  # whoever reads it sees its end, and closes it
        self._tell()

    def _shed_one(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        try:
            super().accept()[0].close()
        except OSError:
            time.sleep(0.01)  # the machine has none either: do not spin
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        except OSError:
            self._spare = None
        self._tell()

    def _tell(self) -> None:
        self._shed += 1
        now = time.monotonic()
        if now - self._logged >= self.LOG_EVERY_S:
            log.warning("%d connections were closed: there are too many", self._shed)
            self._shed, self._logged = 0, now


class _Accepted(socket.socket):
    """A connection that tells its listener when it is closed."""

    def __init__(self, accepted: socket.socket, listener: Listener, address: Any) -> None:  # noqa: ANN401
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self._listener: Listener | None = listener
        self._address = address

    def close(self) -> None:
        super().close()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.gone(self._address)


def listen(host: str, port: int, advice: str, most: int = 4096, most_new: int = 512) -> Listener:
    """Listen on an address. Raises `LivemoodError`, with `advice` on what to do."""
    return Listener(listening_socket(host, port, advice), most, most_new)


def listening_socket(host: str, port: int, advice: str) -> socket.socket:
    """A plain socket that listens on an address. Raises `LivemoodError` as `listen` does."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With the protocol named, asyncio turns Nagle's algorithm off for every client; with the
        # default of 0 it does not, and now and then an event waits 40 ms for an acknowledgement.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise LivemoodError(f"cannot listen on {host}: {reason(error)}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        why = (
            "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({reason(error)})"
        )
        raise LivemoodError(f"port {port} of {host} {why}: {advice}") from None
    return listening
