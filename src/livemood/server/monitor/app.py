"""The ASGI application of a monitor: the live page, `/v1/timeline`, `/healthz`, `/metrics`."""

import asyncio
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from livemood.server.monitor.demo import Demo
from livemood.server.monitor.log import EventLog, Subscription
from livemood.server.monitor.metrics import EventMetrics
from livemood.server.monitor.page import about, page_routes, report_of
from livemood.timeline.events import client_notice
from livemood.timeline.export import EXPORTS, MEDIA, export

SUBPROTOCOL = "livemood.v1"
LOOPBACK = ["127.0.0.1", "localhost", "::1", "[::1]"]


class App:
    """Serves one session's log on the loopback interface. Belongs to one event loop."""

    def __init__(
        self,
        log: EventLog,
        metrics: EventMetrics,
        queue_limit: int = 256,
        demo: Demo | None = None,
    ) -> None:
        self._log = log
        self._demo = demo
        self._metrics = metrics
        self._limit = queue_limit
        # Requests by any other name are a web page elsewhere that had its name lead here
        # (DNS rebinding).
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK)
        self.asgi = Starlette(
            routes=[
                *page_routes("monitor", plays=demo is not None),
                *(demo.routes() if demo else ()),
                Route("/v1/about", self._about),
                Route("/v1/report", self._report),
                Route("/v1/sessions/{session}/timeline", self._export),
                Route("/healthz", self._health),
                Route("/metrics", self._exposition),
                WebSocketRoute("/v1/timeline", self._timeline),
            ],
            middleware=[hosts],
        )

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "session_open": not self._log.closed})

    async def _about(self, _: Request) -> Response:
        features = frozenset({"report"})
        demo = {"real_time": self._demo.real_time} if self._demo else None
        return JSONResponse(
            about("monitor", session=self._log.session, features=features, demo=demo)
        )

    async def _report(self, request: Request) -> Response:
        texts = self._log.all()
        if not texts:
            error = {"code": "no_session", "message": "the session has not begun"}
            return JSONResponse({"error": error}, 404)
        language = request.query_params.get("language", "en")
        return await run_in_threadpool(report_of, texts, language)

    async def _export(self, request: Request) -> Response:
        """The timeline as it is by now, at the address that it has on a server of many sessions."""
        if request.path_params["session"] != self._log.session:
            error = {"code": "not_found", "message": "there is no such session"}
            return JSONResponse({"error": error}, 404)
        form = request.query_params.get("format", "json")
        if form not in EXPORTS:
            message = f"format must be one of {', '.join(EXPORTS)}"
            return JSONResponse({"error": {"code": "bad_request", "message": message}}, 422)
        text = await run_in_threadpool(_written, self._log.all(), form)
        return Response(text, media_type=MEDIA[form])

    async def _exposition(self, _: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    async def _timeline(self, socket: WebSocket) -> None:
        if not _same_origin(socket):
            await socket.close(1008, "pages of other origins may not read the timeline")
            return
        # A browser that offers subprotocols, ours and its token, must be answered by one of them.
        offered = socket.scope.get("subprotocols", ())
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        try:
            after = _after(socket, self._log)
        except ValueError as error:
            await socket.send_text(client_notice("bad_request", str(error)).model_dump_json())
            await socket.close(1008, "bad request")
            return
        self._metrics.clients.inc()
        gone = asyncio.ensure_future(_until_gone(socket))
        sending = asyncio.ensure_future(self._send(socket, after))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._metrics.clients.dec()
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send(self, socket: WebSocket, after: int) -> None:
        subscription = Subscription(self._log, after, self._limit)
        news = asyncio.Event()
        self._log.add_listener(news.set)
        try:
            while True:
                news.clear()
                dropped = subscription.dropped
                messages = subscription.take()
                self._metrics.dropped.inc(subscription.dropped - dropped)
                for message in messages:
                    await socket.send_text(message)
                if subscription.at_end:
                    if self._log.ended:
                        await socket.close(1000, "the session has ended")
                        return
                    if self._log.closed:
                        await socket.close(1001, "the monitor stops")
                        return
                    await news.wait()
        except WebSocketDisconnect:
            pass
        finally:
            self._log.remove_listener(news.set)


def _written(texts: list[str], form: str) -> str:
    return "".join(export(form, texts))


async def _until_gone(socket: WebSocket) -> None:
    """Wait until the client has gone; what it sends means nothing here and is dropped."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _after(socket: WebSocket, log: EventLog) -> int:
    """The sequence number that the client has had last, from its query string.

    Without `after` a client gets what comes from now on. With a `session` other than this one
    it gets all of this one: what it has had is of no use here.
    """
    asked = socket.query_params.get("after")
    if asked is None:
        return log.last_seq
    if not asked.isdecimal():
        raise ValueError(f"after must be a sequence number, a whole number from 0, not {asked!r}")
    if socket.query_params.get("session", log.session) != log.session:
        return 0
    after = int(asked)
    if after > log.last_seq:
        raise ValueError(f"after={after} lies ahead: the newest event is {log.last_seq}")
    return after


def _same_origin(socket: WebSocket) -> bool:
    """Whether the request comes from no web page, or from one of this server's own."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")
