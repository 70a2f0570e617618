"""A server of many sessions: its threads and sockets, started and stopped in order."""

import asyncio
import errno
import logging
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import Self

import uvicorn

from livemood.engine import Hub, MonitorSettings
from livemood.errors import LivemoodError
from livemood.model import Model
from livemood.server.access.access import Access
from livemood.server.access.connections import Connections
from livemood.server.access.policy import load_policy
from livemood.server.access.protocols import HalfOpen, WebSocketProtocol, http_protocol
from livemood.server.inputs.rtp import RtpInput
from livemood.server.serve.app import build_app
from livemood.server.serve.exposure import check_exposure, is_public
from livemood.server.serve.settings import ServeSettings
from livemood.server.sessions.admission import Admission
from livemood.server.sessions.housekeeping import Housekeeper
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.archive import Archive

log = logging.getLogger(__name__)

DRAIN_S = 3.0
"""How long clients may take to fetch the last events when the server stops."""
CHANNEL_COST = 0.008
"""Share of a processor that a channel takes, before that is known."""


class Service:
    """Everything that `livemood serve` runs. Use it as a context manager.

    Raises `LivemoodError` on creation for what cannot be: a port that is taken, a folder that
    cannot be written, an address that must not be bound.
    """

    def __init__(
        self, settings: ServeSettings, model: Model, monitor: MonitorSettings | None = None
    ) -> None:
        self.settings = settings
        with ExitStack() as undo:
            policy = load_policy(settings.policy)
            self.archive = Archive(settings.data, policy.version)
            undo.callback(self.archive.close)
            check_exposure(settings, self.archive.tokens)
            _raise_file_limit()
            self._socket = _bind(settings.host, settings.port)
            undo.callback(self._socket.close)
            self.port: int = self._socket.getsockname()[1]
            self.hub = Hub(model, busiest=1.0)
            self.sessions = Sessions(
                self.hub,
                self.archive,
                policy,
                monitor or MonitorSettings(),
                settings.limits,
                Admission(settings.busiest, CHANNEL_COST),
            )
            self.sessions.default_retention_days = settings.retention_days
            info = model.manifest
            self.sessions.metrics.describe(
                name=info.name, version=info.version, provider=model.provider
            )
            self.access = Access(
                self.archive.tokens,
                public=is_public(settings),
                failed_logins=settings.limits.failed_logins,
            )
            self.connections = Connections(
                self.access, settings.limits.clients, self.sessions.metrics.clients
            )
            self.rtp = RtpInput(self.sessions, settings.rtp)
            self._loop = asyncio.new_event_loop()
            self._started = threading.Event()
            self._server = uvicorn.Server(self._config())
            undo.pop_all()
        self._keeper = Housekeeper(self.sessions, self.connections.sweep)
        self._thread = threading.Thread(target=self._serve, name="livemood-server", daemon=True)

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = self.settings.host
        scheme = "https" if self.settings.cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Self:
        recovered = self.archive.recover()
        if recovered:
            log.warning("%d sessions were interrupted when the server last stopped", recovered)
        self.archive.retain()
        self.hub.__enter__()
        self._thread.start()
        if not self._started.wait(30.0):
            raise LivemoodError("the server does not start: look at the log")
        self._keeper.start()
        self.rtp.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """End every session, let clients fetch the last events, then stop."""
        self.sessions.close()
        self.rtp.__exit__()
        self._keeper.stop()
        deadline = time.monotonic() + DRAIN_S
        while len(self.connections) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._server.should_exit = True
        self._thread.join(10.0)
        self.hub.__exit__()
        self.archive.close()
        self._socket.close()

    def _config(self) -> uvicorn.Config:
        s, limits = self.settings, self.settings.limits
        app = build_app(self.sessions, self.access, s, self.connections, self.rtp, self._on_start)
        return uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            http=http_protocol(HalfOpen(limits.half_open, limits.request_s)),
            ws=WebSocketProtocol,
            ws_max_size=limits.message_bytes,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=16_384,
            timeout_graceful_shutdown=1,
            proxy_headers=s.insecure_proxy,
            forwarded_allow_ips=list(s.proxies) if s.insecure_proxy else None,
            server_header=False,
            ssl_certfile=s.cert,
            ssl_keyfile=s.key,
        )

    def _on_start(self) -> None:
        self.sessions.delivery.attach(self._loop)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_task(self._server.serve(sockets=[self._socket]))
        self._loop.create_task(self._tell_started())
        self._loop.run_until_complete(serving)

    async def _tell_started(self) -> None:
        while not self._server.started:
            await asyncio.sleep(0.01)
        self._started.set()


def _raise_file_limit() -> None:
    """Take as many open files as the system grants: each client and session needs some."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With the protocol named, asyncio turns Nagle's algorithm off for every client.
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise LivemoodError(f"cannot listen on {host}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise LivemoodError(f"port {port} of {host} {why}: choose another with --port") from None
    return listener
