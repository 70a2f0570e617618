"""uvicorn in a thread with an event loop of its own: started and stopped in one way."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import uvicorn

from livemood.errors import LivemoodError
from livemood.server.monitor.accepting import Accepting, SharedListener
from livemood.server.monitor.listener import Listener

HANDSHAKE_S = 5.0
"""In which a TLS handshake must be done."""
START_S = 30.0
STOP_S = 10.0


class HttpServer:
    """Serves one application on one listening socket, which it closes at the end.

    `internal` is another socket with what it is served by, in the same event loop.
    """

    def __init__(
        self,
        listener: Listener,
        config: uvicorn.Config,
        internal: tuple[socket.socket, uvicorn.Config] | None = None,
    ) -> None:
        self.listener, self._internal = listener, internal
        self.port: int = listener.getsockname()[1]
        self.loop = _new_loop()
        self._server = uvicorn.Server(config)
        self._other = uvicorn.Server(internal[1]) if internal else None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="livemood-server", daemon=True)

    def start(self, *, wait: bool = True) -> None:
        """Begin; with `wait`, return once requests are answered. Raises `LivemoodError`."""
        self._thread.start()
        if wait and not self._started.wait(START_S):
            raise LivemoodError("the server does not start: look at the log")

    def call(self, function: Callable[..., object], *args: Any) -> None:  # noqa: ANN401
        """Call `function` in the event loop, soon. After the end nothing happens."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *args)

    def stop(self, clients: Callable[[], int], drain_s: float) -> None:
        """Stop, once `clients()` says that all have fetched the last events, or after `drain_s`."""
        deadline = time.monotonic() + drain_s
        while self._thread.is_alive() and clients() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._server.should_exit = True
        if self._other:
            self._other.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_S)
        self.close()

    def close(self) -> None:
        """Close the socket of a server that was never started, or has stopped."""
        self.listener.close()
        if self._internal:
            self._internal[0].close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        serving = self.loop.create_task(self._server.serve(sockets=[self.listener]))
        telling = self.loop.create_task(self._tell_started())
        internal = self.loop.create_task(self._serve_internal())
        self.loop.run_until_complete(serving)
        self.loop.run_until_complete(internal)
        telling.cancel()

    async def _serve_internal(self) -> None:
        if self._other and self._internal:
            await self._other.serve(sockets=[self._internal[0]])

    async def _tell_started(self) -> None:
        while not (self._server.started and (self._other is None or self._other.started)):
            await asyncio.sleep(0.01)
        self._started.set()


def _new_loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop() if os.name == "nt" else _Loop()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose servers do not wait long for TLS handshakes; uvicorn has no setting.

    A listening socket that says whose turn it is is accepted from accordingly.
    """

    async def create_server(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", HANDSHAKE_S)
        if isinstance(listener := options.get("sock"), SharedListener):
            return Accepting(self, args[0], listener, options.get("ssl"), HANDSHAKE_S)
        return await super().create_server(*args, **options)
