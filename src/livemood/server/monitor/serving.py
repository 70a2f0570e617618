"""The server in a thread of its own, beside the one that reads sound."""

from typing import Self

import uvicorn

from livemood.server.monitor.app import App
from livemood.server.monitor.demo import Demo
from livemood.server.monitor.http_server import HttpServer
from livemood.server.monitor.listener import listen
from livemood.server.monitor.log import HISTORY, Entry, EventLog
from livemood.server.monitor.metrics import EventMetrics
from livemood.timeline.events import AnyEvent, Emotion, SessionEnded

HOST = "127.0.0.1"
DRAIN_S = 2.0
"""How long clients may take to fetch the last events when the server stops."""


class ServerThread:
    """Serves the events handed to `publish` on the loopback interface.

    Use it as a context manager. Port 0 takes any free port. Raises `LivemoodError` on creation if
    the port is taken. `demo` is what the page may play.
    """

    def __init__(
        self,
        port: int,
        history: int = HISTORY,
        queue_limit: int = 256,
        demo: Demo | None = None,
    ) -> None:
        self._log = EventLog(history)
        self._metrics = EventMetrics()
        app = App(self._log, self._metrics, queue_limit, demo)
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
        advice = "choose another with --port, or serve nothing with --no-serve"
        self._http = HttpServer(listen(HOST, port, advice), config)
        self.port: int = self._http.port

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
        self._http.call(self._append, event, entry)

    def __enter__(self) -> Self:
        self._http.start(wait=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Let clients fetch the last events, then stop."""
        self._http.call(self._log.close, False)
        self._http.stop(lambda: self._log.listeners, DRAIN_S)

    def _append(self, event: AnyEvent, entry: Entry) -> None:
        self._log.session = event.session
        self._log.append(entry)
        self._metrics.count(event)
        if isinstance(event, SessionEnded):
            self._log.close()
