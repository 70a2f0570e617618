"""What one worker is to do, and its membership among the others."""

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware import Middleware

from livemood.server.access.access import Access
from livemood.server.peers.links import Links
from livemood.server.peers.registry import Registry
from livemood.server.peers.worker_peers import WorkerPeers
from livemood.server.serve.web import InternalListener
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.folder import Keeper
from livemood.server.workers.internal_app import InternalApp
from livemood.server.workers.relay import Relay


class Work(BaseModel):
    """What one worker is to do."""

    number: int
    workers: int
    runtime: Path
    """The folder of what the workers share, in the data folder."""
    sockets: Path
    """The folder of their Unix sockets, whose paths must be short."""
    secret: str
    listening: int
    """File descriptor of the socket that all accept from."""
    settings: dict[str, Any]


class WorkerMembership:
    """One worker's membership of its server."""

    def __init__(self, work: Work, registry: Registry) -> None:
        self.workers = work.workers
        self._links = Links(work.sockets, work.secret)
        self.peers = WorkerPeers(work.number, registry, self._links)
        self.keeper: Keeper | None = Keeper(work.runtime)
        self.listening: socket.socket | None = socket.socket(fileno=work.listening)
        path = self._links.path(work.number)
        path.unlink(missing_ok=True)  # of the one before, which died
        self._own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._own.bind(str(path))
        self._own.listen(1024)

    def close(self) -> None:
        """Leave no socket behind; the last worker leaves no folder either."""
        self._links.path(self.peers.number).unlink(missing_ok=True)
        with suppress(OSError):  # others are in it, or the supervisor was quicker
            self._links.folder.rmdir()

    def attach(self, sessions: Sessions, url: str) -> None:
        """Nothing: the registry knows of this worker already."""

    def leave(self) -> None:
        """Nothing."""

    def middleware(self, sessions: Sessions, access: Access) -> list[Middleware]:
        """What passes requests for others' sessions on."""
        return [
            Middleware(Relay, sessions=sessions, access=access, peers=self.peers, links=self._links)
        ]

    def internal(self, app: FastAPI, sessions: Sessions) -> InternalListener:
        """What the others ask."""
        internal = InternalApp(app, sessions, self._links.secret)
        return InternalListener(self._own, internal, lambda: internal.watchers)
