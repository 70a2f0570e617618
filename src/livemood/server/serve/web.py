"""How uvicorn serves: its socket, its protocols, its limits."""

from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from livemood.server.access.protocols import HalfOpen, WebSocketProtocol, http_protocol
from livemood.server.monitor.http_server import HttpServer
from livemood.server.monitor.listener import Listener, listen
from livemood.server.serve.settings import ServeSettings

FILES_KEPT = 64
"""Open files that connections leave to everything else."""
FEWEST = 16
UNLIMITED = 1 << 20


def open_listener(settings: ServeSettings) -> Listener:
    """The socket that is listened on. Raises `LivemoodError` if it cannot be."""
    limits = settings.limits
    files = max(FEWEST, _raise_file_limit() - FILES_KEPT)
    return listen(
        settings.host,
        settings.port,
        "choose another with --port",
        most=min(limits.clients + 2 * limits.half_open, files),
        most_new=limits.half_open,
    )


def web_server(listener: Listener, app: FastAPI, settings: ServeSettings) -> HttpServer:
    """The server of `app`, not yet started."""
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
    return HttpServer(listener, config)


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
