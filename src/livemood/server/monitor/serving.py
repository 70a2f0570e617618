"""The server in a thread of its own, beside the one that reads sound."""

import asyncio
import errno
import socket
import threading
from typing import Self

import uvicorn

from livemood.errors import LivemoodError
from livemood.server.monitor.app import App
from livemood.server.monitor.log import HISTORY, Entry, EventLog
from livemood.server.monitor.metrics import Metrics
from livemood.timeline.events import AnyEvent, Emotion, SessionEnded

HOST = "127.0.0.1"
DRAIN_S = 2.0
"""How long clients may take to fetch the last events when the server stops."""


class ServerThread:
    """Serves the events handed to `publish` on the loopback interface.

    Use it as a context manager. Port 0 takes any free port. Raises `LivemoodError` on creation if
    the port is taken.
    """

    def __init__(self, port: int, history: int = HISTORY, queue_limit: int = 256) -> None:
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        self._log = EventLog(history)
        self._metrics = Metrics()
        app = App(self._log, self._metrics, queue_limit)
        config = uvicorn.Config(
            app.asgi,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=64 * 1024,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="livemood-server", daemon=True)

    @property
    def url(self) -> str:
        """Where the timeline is served."""
        return f"ws://{HOST}:{self.port}/v1/timeline"

    @property
    def page(self) -> str:
        """Where people look at it."""
        return f"http://{HOST}:{self.port}/"

    def publish(self, event: AnyEvent) -> None:
        """Hand the next event to all clients. Called by any one thread; does not block."""
        assert event.seq is not None  # noqa: S101 - what a monitor emits is numbered
        text = event.model_dump_json()
        entry = Entry(event.seq, text, isinstance(event, Emotion))
        self._loop.call_soon_threadsafe(self._append, event, entry)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let clients fetch the last events, then stop."""
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop)
        self._thread.join(DRAIN_S + 3.0)
        self._socket.close()

    async def _drain(self) -> None:
        self._log.close(ended=False)
        deadline = self._loop.time() + DRAIN_S
        while self._log.listeners and self._loop.time() < deadline:
            await asyncio.sleep(0.01)
        self._server.should_exit = True

    def _append(self, event: AnyEvent, entry: Entry) -> None:
        self._log.session = event.session
        self._log.append(entry)
        self._metrics.count(event)
        if isinstance(event, SessionEnded):
            self._log.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))


def _bind(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off for every client; with the
    # default of 0 it does not, and now and then an event waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise LivemoodError(
            f"port {port} {why}: choose another with --port, or serve nothing with --no-serve"
        ) from None
    return listener
