"""Who may come in: tokens, origins, host names."""

import time
from urllib.parse import urlsplit

from prometheus_client import Counter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from livemood.server.access.logins import FailedLogins
from livemood.server.access.principal import LOCAL, Principal
from livemood.server.access.replies import refuse
from livemood.server.peers.interface import Peers
from livemood.server.peers.relayed import KEY, Caller, is_relayed
from livemood.server.refused import Refused
from livemood.server.storage.interface import StorageError, TokenStore

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PROTOCOL = "livemood.v1"
BEARER = "bearer."
"""How browsers, which cannot set headers on WebSockets, offer a token: as a subprotocol."""

MOST_HEADERS = 16_384
"""Bytes that a request's headers may have."""
FORWARDED = frozenset(
    {
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-forwarded-server",
        "x-original-forwarded-for",
        "x-original-host",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "cf-ray",
        "fastly-client-ip",
        "cdn-loop",
    }
)
"""What proxies add: whoever comes through one is not the local user."""


class Access:
    """Knows who asks."""

    def __init__(
        self,
        tokens: TokenStore,
        *,
        public: bool,
        failed_logins: int,
        peers: Peers | None = None,
    ) -> None:
        self._tokens = tokens
        self._public = public
        self._failed = FailedLogins(failed_logins)
        self._peers = peers or Peers()

    @property
    def required(self) -> bool:
        """Whether a token is needed: on a server that others reach, or once there is one."""
        return self._public or self._tokens.any

    def principal(self, connection: HTTPConnection) -> Principal:
        """Who asks; of a request that another worker relays, who was let in there.

        Raises `Refused`.
        """
        told = connection.scope.get(KEY)
        if isinstance(told, Caller):
            return Principal.from_caller(told)
        by = self.known(_token(connection), connection)
        connection.scope[KEY] = by.caller
        return by

    def known(self, token: str | None, connection: HTTPConnection) -> Principal:
        """Who asks with `token`, however that came. Raises `Refused`."""
        if token is None:
            if self.required:
                raise Refused("no_token", "this needs a token: Authorization: Bearer TOKEN", 401)
            return LOCAL
        # Tokens that are right are let in even from an address whose others were wrong, so that
        # nobody is locked out by a neighbour; with 256 random bits there is nothing to guess.
        found = self._tokens.find(token)
        if found is not None:
            return Principal.of(found)
        address = connection.client.host if connection.client else ""
        now = time.monotonic()
        elsewhere = self._peers.logins_failed(address, now - FailedLogins.WINDOW_S)
        wait = self._failed.wait_s(address, now, elsewhere)
        if wait > 0:
            raise Refused("too_many_logins", "too many wrong tokens: wait", 429, wait)
        self._failed.fail(address, now)
        self._peers.login_failed(address, now)
        raise Refused("bad_token", "the token is unknown, expired or revoked", 401)

    def holds_id(self, creator: str) -> bool:
        """The same of whom a session's record names as its creator."""
        kind, _, number = creator.partition(":")
        return self._still(int(number) if kind == "token" else None)

    def holds(self, principal: Principal) -> bool:
        """Whether what let the principal in still does."""
        return self._still(principal.token)

    def _still(self, token: int | None) -> bool:
        """Whether a token holds that did; while that cannot be known, what runs goes on."""
        try:
            return not self.required if token is None else self._tokens.holds(token)
        except StorageError:
            return True


def has_token(connection: HTTPConnection) -> bool:
    """Whether a request brings a token, right or wrong."""
    return _token(connection) is not None


def _token(connection: HTTPConnection) -> str | None:
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if connection.scope["type"] == "websocket":
        for offered in connection.scope.get("subprotocols", ()):
            if offered.startswith(BEARER):
                return str(offered.removeprefix(BEARER))
    return None


class TrustedHosts:
    """ASGI middleware: refuses other host names and pages of other origins.

    A page elsewhere that has its own name lead here (DNS rebinding) asks by that name; so as long
    as no token is needed, only names that can be nobody else's are answered.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        refused: Counter,
        hosts: tuple[str, ...],
        origins: tuple[str, ...],
    ) -> None:
        self._app, self._access, self._refused = app, access, refused
        self._hosts = LOOPBACK | {host.lower() for host in hosts}
        self._any_host = not hosts
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] in ("http", "websocket") and not is_relayed(scope):  # it was, there
            try:
                self._check(HTTPConnection(scope))
            except Refused as refused:
                self._refused.labels(refused.code).inc()
                await refuse(refused, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, connection: HTTPConnection) -> None:
        if sum(len(name) + len(value) for name, value in connection.headers.raw) > MOST_HEADERS:
            raise Refused("message_too_big", "the request's headers are too long", 431)
        asked = connection.headers.get("host", "")
        host = (urlsplit(f"//{asked}").hostname or "") if _plain(asked) else ""
        if host not in self._hosts and not (self._any_host and self._access.required):
            raise Refused("wrong_host", "this server does not answer to that host name", 400)
        # nginx asks by HTTP/1.0 and the server's own name, unless it is told otherwise.
        old = connection.scope.get("http_version") == "1.0"
        by_proxy = old or FORWARDED & set(connection.headers)
        if not self._access.required and by_proxy:
            raise Refused(
                "no_token", "behind a proxy tokens are needed: livemood token create", 401
            )
        origin = connection.headers.get("origin")
        if origin is None or origin.lower() in self._origins:
            return
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        # TLS may have ended at a proxy, which this server cannot tell.
        own = {f"{scheme}://{asked}", f"https://{asked}"}
        if origin.lower() not in {one.lower() for one in own}:
            raise Refused("wrong_origin", "pages of other origins may not use this server", 403)


def _plain(host: str) -> bool:
    return bool(host) and not set(host) & set("/?#@\\ ") and host.count("[") == host.count("]") <= 1
