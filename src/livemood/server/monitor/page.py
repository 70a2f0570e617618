"""The pages that people look at: HTML, ES modules and style sheets, served as they are."""

from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from livemood.timeline.events import parse_event
from livemood.timeline.timeline import Timeline
from livemood.version import __version__

STATIC: Final = Path(__file__).resolve().parent.parent / "static"
ASSETS: Final = STATIC.parent.parent / "assets"

CONTENT_SECURITY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy (W3C CSP3) of the pages: all that they need comes from this server."""

PLAYED: Final = "; media-src 'self'"
"""And where the page plays the sound of the demo."""

REPORT_SECURITY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Of a report: one file whose styles are in it, without any script."""

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(), camera=(), geolocation=()",
    "Cache-Control": "no-cache",
}

MICROPHONE: Final = "microphone=(self), camera=(), geolocation=()"
"""Permissions-Policy of the page that one speaks into; no other page may have the microphone."""

_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def page_routes(mode: Literal["monitor", "service"], *, plays: bool = False) -> list[BaseRoute]:
    """The routes of the pages.

    `monitor`: `/` is the live page of the one session. `service`: `/` is the list of sessions,
    `/sessions/ID` the page of one, `/speak` the page that sends its own microphone. Both:
    `/overlay` shows panels on nothing, to lie over a video. `plays`: whether `/` may play sound of
    this server.
    """
    pages = {"/": "live.html"}
    if mode == "service":
        pages = {"/": "sessions.html", "/sessions/{id}": "live.html", "/speak": "live.html"}
    pages["/overlay"] = "overlay.html"
    routes: list[BaseRoute] = [
        Route(path, _page(name, speaks=path == "/speak", plays=plays and path == "/"))
        for path, name in pages.items()
    ]
    return [*routes, Route("/static/{name}", _static)]


def about(
    mode: Literal["monitor", "service"],
    *,
    session: str | None = None,
    features: frozenset[str] = frozenset(),
    auth_required: bool = False,
    purposes: tuple[str, ...] = (),
    demo: dict[str, bool] | None = None,
) -> dict[str, Any]:
    """What `GET /v1/about` answers: what a page needs to know of its server."""
    known = ("sessions", "stream", "whip", "tokens", "markers", "report", "recordings", "alerts")
    return {
        "version": __version__,
        "mode": mode,
        "session": session,
        "features": {name: name in features for name in known},
        "auth_required": auth_required,
        "purposes": list(purposes),
        "demo": demo,
    }


def report_of(
    events: Iterable[str], language: str, retention_days: float | None = None
) -> Response:
    """The report of a session's events, as a page of its own; 422 for an unknown language."""
    from livemood.report import LANGUAGES, make_report

    if language not in LANGUAGES:
        message = f"language must be one of {', '.join(LANGUAGES)}"
        return JSONResponse({"error": {"code": "bad_request", "message": message}}, 422)
    timeline = Timeline(parse_event(text) for text in events)
    html = make_report(timeline, language, retention_days=retention_days)
    headers = {**HEADERS, "Content-Security-Policy": REPORT_SECURITY, "Cache-Control": "no-store"}
    return Response(html, media_type="text/html", headers=headers)


def _page(name: str, speaks: bool, plays: bool) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        response = _file(STATIC / name, request)
        if speaks:
            response.headers["Permissions-Policy"] = MICROPHONE
        if plays:
            response.headers["Content-Security-Policy"] = CONTENT_SECURITY + PLAYED
        return response

    return page


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    for folder in (STATIC, ASSETS):
        path = folder / name
        if path.suffix in _TYPES and path.parent == folder and path.is_file():
            return _file(path, request)
    return Response("no such file", 404, media_type="text/plain")


def _file(path: Path, request: Request) -> Response:
    content = path.read_bytes()
    tag = f'"{sha256(content).hexdigest()[:16]}"'
    headers = {**HEADERS, "Content-Security-Policy": CONTENT_SECURITY, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[path.suffix], headers=headers)
