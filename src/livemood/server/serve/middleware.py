"""The middleware that every request passes, in its order."""

from collections.abc import Sequence

from prometheus_client import Counter
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from livemood.server.access.access import Access, TrustedHosts
from livemood.server.access.replies import NoStore
from livemood.server.access.slow import BodyLimit
from livemood.server.inputs.recordings import PATH as RECORDINGS
from livemood.server.serve.settings import ServeSettings


def middleware(
    settings: ServeSettings, access: Access, refused: Counter, inner: Sequence[Middleware] = ()
) -> list[Middleware]:
    """Host names and origins, then headers, then a body that comes in time; the outermost first.

    `inner` are passed last.
    """
    limits = settings.limits
    return [
        Middleware(
            TrustedHosts,
            access=access,
            refused=refused,
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
        Middleware(NoStore),
        Middleware(
            BodyLimit,
            most_bytes=limits.message_bytes,
            within_s=limits.request_s,
            streamed=frozenset({RECORDINGS}),
        ),
        *inner,
    ]
