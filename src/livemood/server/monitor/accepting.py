"""Accepting from a socket that several processes share: each when it is its turn."""

import asyncio
import logging
import select
import socket
import ssl
from collections.abc import Callable
from typing import Final

from livemood.server.monitor.listener import Listener

log = logging.getLogger(__name__)

AGAIN_S: Final = 0.005
LONGEST_S: Final = 0.25
"""A connection that others leave for so long is accepted even out of turn."""


class SharedListener(Listener):
    """A listener whose socket other processes accept from, too."""

    turn: Callable[[], bool] = staticmethod(lambda: True)
    """Whether this process should take the next connection."""
    taken: Callable[[], None] = staticmethod(lambda: None)
    """Called when it has taken one."""


class Accepting:
    """Accepts connections for `factory`, as the server that `loop.create_server` returns would.

    Which process accepts decides who serves: a connection does not move. So one whose turn it is
    not leaves what waits to the others, and looks again after `AGAIN_S`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], asyncio.Protocol],
        listener: SharedListener,
        context: ssl.SSLContext | None,
        handshake_s: float,
    ) -> None:
        self._loop, self._factory, self._listener = loop, factory, listener
        self._context, self._handshake_s = context, handshake_s
        self._connecting: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self.sockets = (listener,)
        self._task = loop.create_task(self._accept())

    def close(self) -> None:
        """Accept no more."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing is accepted any more."""
        await asyncio.wait({self._task})

    async def _accept(self) -> None:
        number = self._listener.fileno()
        come = asyncio.Event()
        poll = select.poll()
        poll.register(number, select.POLLIN)
        left = 0.0
        while True:
            if not poll.poll(0):
                left = 0.0
                come.clear()
                self._loop.add_reader(number, come.set)
                try:
                    await come.wait()
                finally:
                    self._loop.remove_reader(number)
            if left < LONGEST_S and not self._listener.turn():
                left += AGAIN_S
                await asyncio.sleep(AGAIN_S)
                continue
            left = 0.0
            try:
                connection, _ = self._listener.accept()
            except OSError:  # another process was quicker, or the client has gone
                await asyncio.sleep(0)
                continue
            self._listener.taken()
            task = self._loop.create_task(self._connect(connection))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            await asyncio.sleep(0)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            handshake_s = self._handshake_s if self._context else None
            await self._loop.connect_accepted_socket(
                self._factory,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=handshake_s,
            )
        except (OSError, TimeoutError):  # no TLS, or none in time
            connection.close()
            log.debug("a connection was not made", exc_info=True)
