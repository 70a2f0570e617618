"""The ASGI application of a server of many sessions."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware

from livemood.server.access.access import Access
from livemood.server.access.connections import Connections
from livemood.server.inputs.routes import inputs, whip_installed
from livemood.server.inputs.rtp import RtpInput
from livemood.server.monitor.page import page_routes
from livemood.server.serve.middleware import middleware
from livemood.server.serve.operations import answer_errors, operations
from livemood.server.serve.rest import Features, rest_routes
from livemood.server.serve.settings import ServeSettings
from livemood.server.serve.watch import watch_routes
from livemood.server.sessions.sessions import Sessions
from livemood.version import __version__

THREADS = 16
"""That answer REST requests; more would only take turns."""


def build_app(
    sessions: Sessions,
    access: Access,
    settings: ServeSettings,
    connections: Connections,
    rtp: RtpInput,
    on_start: Callable[[], None] = lambda: None,
    inner: Sequence[Middleware] = (),
) -> FastAPI:
    """Everything behind the middleware; `inner` stands right in front of the routes."""
    taken = inputs(sessions, access, connections, settings.model)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        on_start()
        yield
        await taken.close()

    app = FastAPI(
        title="livemood",
        version=__version__,
        description="Sessions of a real-time streaming emotion monitor: how speech sounds.",
        docs_url=None,  # these two would fetch scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        middleware=middleware(settings, access, sessions.metrics.refused, inner),
    )
    answer_errors(app, sessions)
    features = Features(
        sessions=True,
        stream=True,
        whip=whip_installed(),
        tokens=True,
        markers=True,
        report=True,
        recordings=settings.limits.recordings > 0,
        alerts=True,
        receivers=sessions.flow.try_receivers is not None,
    )
    app.include_router(rest_routes(sessions, access, features, rtp))
    for router in taken.routers:
        app.include_router(router)
    app.router.routes += watch_routes(sessions, connections)
    app.router.routes += taken.routes
    app.router.routes += page_routes("service")
    operations(app, sessions, access)
    return app
