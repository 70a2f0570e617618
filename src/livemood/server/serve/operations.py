"""What every route answers alike: errors, health, metrics."""

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from livemood.server.access.access import Access
from livemood.server.access.replies import reply
from livemood.server.refused import Refused, bad_request, unreadable
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.interface import StorageError

log = logging.getLogger(__name__)


def answer_errors(app: FastAPI, sessions: Sessions) -> None:
    """Answer whatever is raised in the one form that errors have."""

    @app.exception_handler(Refused)
    async def _(_: Request, error: Refused) -> JSONResponse:
        sessions.metrics.refused.labels(error.code).inc()
        return reply(error)

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, error: RequestValidationError) -> JSONResponse:
        return reply(bad_request(error.errors()))

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
        return reply(unreadable())

    @app.exception_handler(Exception)
    async def _(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - is logged
        return reply(Refused("internal", "something went wrong here: look at the log", 500))


def operations(app: FastAPI, sessions: Sessions, access: Access) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`."""

    async def health(_: Request) -> Response:
        failing = sessions.storage.failing or sessions.peers.failing
        body: dict[str, Any] = {
            "status": "ok" if failing is None else "degraded",
            "sessions": len(sessions.all_open()) + sessions.peers.sessions_elsewhere,
        }
        return JSONResponse(body, 200 if failing is None else 503)

    async def ready(_: Request) -> Response:
        if sessions.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        failing = sessions.storage.failing is not None
        return JSONResponse({"status": "degraded" if failing else "ready"}, 503 if failing else 200)

    async def metrics(request: Request) -> Response:
        access.principal(request).require("watch", "manage")
        return Response(sessions.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    app.add_route("/healthz", health, include_in_schema=False)
    app.add_route("/readyz", ready, include_in_schema=False)
    app.add_route("/metrics", metrics, include_in_schema=False)
