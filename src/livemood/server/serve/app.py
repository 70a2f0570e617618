"""The ASGI application of a server of many sessions."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from livemood.server.access.access import Access, Doorkeeper
from livemood.server.access.connections import Connections
from livemood.server.access.replies import Unkept, reply
from livemood.server.access.slow import BodyLimit
from livemood.server.inputs.rtp import RtpInput
from livemood.server.inputs.stream import stream_routes
from livemood.server.inputs.twilio import twilio_routes
from livemood.server.inputs.whip import Publishers, installed, whip_routes
from livemood.server.monitor.page import page_routes
from livemood.server.refused import Refused
from livemood.server.serve.rest import Features, rest_routes
from livemood.server.serve.settings import ServeSettings
from livemood.server.serve.watch import watch_routes
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.database import StorageError
from livemood.version import __version__

log = logging.getLogger(__name__)

THREADS = 16
"""That answer REST requests; more would only take turns."""


def build_app(
    sessions: Sessions,
    access: Access,
    settings: ServeSettings,
    connections: Connections,
    rtp: RtpInput,
    on_start: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Everything behind the doors."""
    publishers = Publishers(sessions, settings.limits.publishers)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        on_start()
        yield
        await publishers.close()

    limits = settings.limits
    app = FastAPI(
        title="livemood",
        version=__version__,
        description="Sessions of a real-time streaming emotion monitor: how speech sounds.",
        docs_url=None,  # these two would fetch scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(
                Doorkeeper,
                access=access,
                refused=sessions.metrics.refused,
                hosts=(settings.host, *settings.hosts) if settings.hosts else (),
                origins=settings.origins,
            ),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.origins,
                allow_methods=["GET", "POST", "DELETE", "PATCH"],
                allow_headers=["Authorization", "Content-Type"],
                expose_headers=["Location"],
            ),
            Middleware(Unkept),
            Middleware(BodyLimit, most_bytes=limits.message_bytes, within_s=limits.request_s),
        ],
    )
    _answer_errors(app, sessions)
    features = Features(
        sessions=True, stream=True, whip=installed(), tokens=True, markers=True, report=True
    )
    app.include_router(rest_routes(sessions, access, features, rtp))
    app.include_router(whip_routes(publishers, sessions, access))
    app.router.routes += watch_routes(sessions, connections)
    app.router.routes += stream_routes(sessions, connections, limits)
    app.router.routes += twilio_routes(sessions, access, connections, limits)
    app.router.routes += page_routes("service")
    _operations(app, sessions, access)
    return app


def _answer_errors(app: FastAPI, sessions: Sessions) -> None:
    @app.exception_handler(Refused)
    async def _(_: Request, error: Refused) -> JSONResponse:
        sessions.metrics.refused.labels(error.code).inc()
        return reply(error)

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        message = f"{where}: {first['msg']}" if where else str(first["msg"])
        return reply(Refused("bad_request", message, 422))

    @app.exception_handler(HTTPException)
    async def _(_: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "wrong_method"}
        code = codes.get(error.status_code, "bad_request")
        answer = reply(Refused(code, str(error.detail).lower(), error.status_code))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(StorageError)
    async def _(_: Request, error: StorageError) -> JSONResponse:
        log.error("what is kept cannot be read or written: %s", error)
        return reply(Refused("storage_failed", "what is kept cannot be used: try again", 503, 10))

    @app.exception_handler(Exception)
    async def _(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - is logged
        return reply(Refused("internal", "something went wrong here: look at the log", 500))


def _operations(app: FastAPI, sessions: Sessions, access: Access) -> None:
    async def health(_: Request) -> Response:
        failing = sessions.storage.failing
        body: dict[str, Any] = {
            "status": "ok" if failing is None else "degraded",
            "sessions": len(sessions.all_open()),
        }
        return JSONResponse(body, 200 if failing is None else 503)

    async def metrics(request: Request) -> Response:
        access.principal(request).require("watch", "manage")
        return Response(sessions.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    app.add_route("/healthz", health, include_in_schema=False)
    app.add_route("/metrics", metrics, include_in_schema=False)
