"""A server of many sessions: its threads and sockets, started and stopped in order."""

import logging
from contextlib import ExitStack, suppress
from typing import Self

import uvicorn

from livemood.engine import Hub, MonitorSettings
from livemood.model import Model
from livemood.server.access.access import Access
from livemood.server.access.connections import Connections
from livemood.server.access.policy import load_policy
from livemood.server.access.protocols import HalfOpen, WebSocketProtocol, http_protocol
from livemood.server.inputs.rtp import RtpInput
from livemood.server.monitor.http_server import HttpServer
from livemood.server.monitor.listener import listen
from livemood.server.serve.app import build_app
from livemood.server.serve.exposure import check_exposure, is_public
from livemood.server.serve.settings import ServeSettings, monitor_settings
from livemood.server.sessions.admission import Admission
from livemood.server.sessions.housekeeping import Housekeeper
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.archive import Archive

log = logging.getLogger(__name__)

DRAIN_S = 3.0
"""How long clients may take to fetch the last events when the server stops."""
FILES_KEPT = 32
"""Open files that connections leave to everything else."""
UNLIMITED = 1 << 20
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
            self.storage = Archive(settings.data, policy.version)
            undo.callback(self.storage.close)
            check_exposure(settings, self.storage.tokens)
            files = max(2 * FILES_KEPT, _raise_file_limit())
            most = settings.limits.clients + 2 * settings.limits.half_open
            self._listener = listen(
                settings.host,
                settings.port,
                "choose another with --port",
                most=min(most, files - FILES_KEPT),
                most_new=settings.limits.half_open,
            )
            undo.callback(self._listener.close)
            self.hub = Hub(model, busiest=1.0)
            self.sessions = Sessions(
                self.hub,
                self.storage,
                policy,
                monitor or monitor_settings(settings, model),
                settings.limits,
                Admission(settings.busiest, CHANNEL_COST),
            )
            self.sessions.default_retention_days = settings.retention_days
            info = model.manifest
            self.sessions.metrics.describe(
                name=info.name, version=info.version, provider=model.provider
            )
            self.access = Access(
                self.storage.tokens,
                public=is_public(settings),
                failed_logins=settings.limits.failed_logins,
            )
            self.sessions.holds = self.access.holds_id
            self.connections = Connections(
                self.access, settings.limits.clients, self.sessions.metrics.clients
            )
            self.rtp = RtpInput(self.sessions, settings.rtp)
            self._http = HttpServer(self._listener, self._config())
            self.port: int = self._http.port
            undo.pop_all()
        self._keeper = Housekeeper(self.sessions, self.connections.sweep)

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = self.settings.host
        scheme = "https" if self.settings.cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Self:
        recovered = self.storage.recover()
        if recovered:
            log.warning("%d sessions were interrupted when the server last stopped", recovered)
        self.storage.retain()
        self.hub.__enter__()
        self._http.start()
        self._keeper.start()
        self.rtp.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """End every session, let clients fetch the last events, then stop."""
        self.sessions.close()
        self.rtp.__exit__()
        self._keeper.stop()
        self._http.stop(lambda: len(self.connections), DRAIN_S)
        self.hub.__exit__()
        self.storage.close()

    def _config(self) -> uvicorn.Config:
        s, limits = self.settings, self.settings.limits
        app = build_app(self.sessions, self.access, s, self.connections, self.rtp, self._on_start)
        return uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            http=http_protocol(
                HalfOpen(limits.half_open, limits.request_s),
                self._listener.established,
                limits.stall_s,
            ),
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
        self.sessions.delivery.attach(self._http.loop)


def _raise_file_limit() -> int:
    """Take as many open files as the system grants, and say how many.

    Each client and each session needs some.
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return most if most > 0 else UNLIMITED
    return UNLIMITED
