"""A node's membership of its cluster."""

import secrets
import socket
from contextlib import ExitStack

from fastapi import FastAPI
from starlette.middleware import Middleware

from livemood.errors import UsageError
from livemood.server.access.access import Access
from livemood.server.cluster.node import Node
from livemood.server.cluster.siblings import Place
from livemood.server.cluster.signed_app import SignedApp
from livemood.server.monitor.listener import listening_socket
from livemood.server.serve.settings import ServeSettings
from livemood.server.serve.web import InternalListener
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.folder import Keeper
from livemood.server.workers.internal_app import InternalApp
from livemood.server.workers.relay import Relay

WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - nobody binds them here


def check_node(settings: ServeSettings) -> None:
    """Raise `UsageError` for what makes no sense in a cluster, or would give something away."""
    if settings.cluster is None:
        return
    if settings.database is None:
        raise UsageError("--cluster needs --database: what all nodes keep together is there")
    settings.node.check(settings.cluster, tls=settings.cert is not None)
    settings.node.port_of(settings.processes - 1)
    settings.node.secret()


class NodeMembership:
    """Joins a cluster; `close` leaves it."""

    def __init__(self, settings: ServeSettings, place: Place | None = None) -> None:
        """`place` is that of one worker of several on its machine.

        Raises `LivemoodError` if NATS cannot be reached, or the node cannot be.
        """
        check_node(settings)
        self._settings = settings
        work = place.work if place else None
        self.workers = work.workers if work else 1
        self.keeper: Keeper | None = Keeper(work.runtime) if work else None
        self.listening = socket.socket(fileno=work.listening) if work else None
        with ExitStack() as undo:
            node = settings.node
            port = node.port_of(work.number if work else 0)
            self._own = listening_socket(node.host, port, "choose another with node.port")
            undo.callback(self._own.close)
            self._node = Node(settings, place)
            undo.pop_all()
        self.peers = self._node.peers

    def attach(self, sessions: Sessions, url: str) -> None:
        """The node serves at `url`: tell the others."""
        settings = self._settings
        host, port = self._own.getsockname()[:2]
        host = settings.node.address or host
        scheme = "https" if settings.cert else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        reached = settings.node.url or ("" if settings.host in WILDCARDS else url)
        self._node.join(sessions, address, reached.rstrip("/"))

    def leave(self) -> None:
        """All sessions have ended: let the others have what they said."""
        self._node.drain()

    def middleware(self, sessions: Sessions, access: Access) -> list[Middleware]:
        """What passes requests for others' sessions on."""
        links = self._node.links
        return [Middleware(Relay, sessions=sessions, access=access, peers=self.peers, links=links)]

    def internal(self, app: FastAPI, sessions: Sessions) -> InternalListener:
        """What the others ask."""
        secret = secrets.token_urlsafe(32)
        internal = InternalApp(app, sessions, secret)
        signed = SignedApp(internal, secret, self._node.signer, self._node.number)
        return InternalListener(
            self._own, signed, lambda: internal.watchers, tls=self._settings.cert is not None
        )

    def close(self) -> None:
        """Leave the cluster."""
        self._node.close()
        self._own.close()
