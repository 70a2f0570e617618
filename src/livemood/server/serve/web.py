"""How uvicorn serves: its socket, its protocols, its limits."""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from livemood.server.access.access import Access
from livemood.server.access.protocols import HalfOpen, WebSocketProtocol, http_protocol
from livemood.server.monitor.accepting import SharedListener
from livemood.server.monitor.http_server import HttpServer
from livemood.server.monitor.listener import Listener, listening_socket
from livemood.server.peers.interface import Peers
from livemood.server.serve.settings import ServeSettings
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.folder import Keeper

FILES_KEPT = 64
"""Open files that connections leave to everything else."""
FEWEST = 16
UNLIMITED = 1 << 20


@dataclass(frozen=True, slots=True)
class InternalListener:
    """What is served to other processes of this server."""

    listening: socket.socket
    app: ASGIApp
    watchers: Callable[[], int]
    """How many of them follow a session now."""
    tls: bool = False
    """Whether they are met with the server's certificate."""


class Membership(Protocol):
    """One process's membership of several that serve one address."""

    workers: int
    """How many they are."""
    keeper: Keeper | None
    """Says which of all does what only one may do; none for a data folder of its own."""
    listening: socket.socket | None
    """Which they all accept from; none for an address of its own."""

    @property
    def peers(self) -> Peers:
        """The others."""

    def middleware(self, sessions: Sessions, access: Access) -> list[Middleware]:
        """What stands in front of the routes."""

    def attach(self, sessions: Sessions, url: str) -> None:
        """The process serves at `url` now."""

    def leave(self) -> None:
        """All sessions have ended: nothing will follow."""

    def internal(self, app: FastAPI, sessions: Sessions) -> InternalListener:
        """What the other processes ask."""


def open_socket(settings: ServeSettings) -> socket.socket:
    """The socket that is listened on. Raises `LivemoodError` if it cannot be."""
    return listening_socket(settings.host, settings.port, "choose another with --port")


def open_listener(
    settings: ServeSettings, listening: socket.socket | None, peers: Peers
) -> Listener:
    """What accepts connections: from a new socket, or from one that `peers` accept from as well.

    Raises `LivemoodError`.
    """
    limits = settings.limits
    files = max(FEWEST, _raise_file_limit() - FILES_KEPT)
    most = min(limits.clients + 2 * limits.half_open, files)
    if listening is None:
        return Listener(open_socket(settings), most=most, most_new=limits.half_open)
    listener = SharedListener(listening, most=most, most_new=limits.half_open)
    listener.turn, listener.taken = peers.is_turn, peers.accepted
    return listener


def web_server(
    listener: Listener,
    app: FastAPI,
    settings: ServeSettings,
    internal: InternalListener | None = None,
) -> HttpServer:
    """The server of `app`, not yet started; `internal` is served on a socket of its own."""
    limits = settings.limits
    half_open = HalfOpen(limits.half_open, limits.request_s)
    config = uvicorn.Config(
        app,
        log_level="error",
        log_config=None,
        access_log=False,
        http=http_protocol(half_open, listener.established, limits.stall_s),
        ws=WebSocketProtocol,
        ws_max_size=limits.message_bytes,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=16_384,
        timeout_graceful_shutdown=1,
        proxy_headers=settings.insecure_proxy,
        forwarded_allow_ips=list(settings.proxies) if settings.insecure_proxy else None,
        server_header=False,
        ssl_certfile=settings.cert,
        ssl_keyfile=settings.key,
    )
    if internal is None:
        return HttpServer(listener, config)
    others = uvicorn.Config(
        internal.app,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws=WebSocketProtocol,
        ws_max_size=limits.message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        timeout_graceful_shutdown=1,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=settings.cert if internal.tls else None,
        ssl_keyfile=settings.key if internal.tls else None,
    )
    return HttpServer(listener, config, (internal.listening, others))


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
