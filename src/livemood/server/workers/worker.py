"""One worker: a whole server in a process of its own, started by the supervisor.

What it is to do comes as one line of JSON on standard input, which then stays open: its end says
that the supervisor has gone. On standard output it says once that it serves.
"""

import os
import signal
import socket
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware import Middleware

from livemood.engine.extensions import open_model
from livemood.errors import LivemoodError
from livemood.server.access.access import Access
from livemood.server.peers.links import Links
from livemood.server.peers.registry import Registry
from livemood.server.peers.worker_peers import WorkerPeers
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings, monitor_settings, read_settings
from livemood.server.serve.web import Beside
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.folder import Keeper
from livemood.server.workers.door import Door
from livemood.server.workers.ports import share_of
from livemood.server.workers.relay import Relay

READY = "ready"
REGISTRY = "registry.db"


class Work(BaseModel):
    """What one worker is to do."""

    number: int
    workers: int
    runtime: Path
    """The folder of sockets and locks."""
    secret: str
    listening: int
    """File descriptor of the socket that all accept from."""
    settings: dict[str, Any]


class WorkerPlace:
    """One worker's place among those of its server."""

    def __init__(self, work: Work, registry: Registry) -> None:
        self.workers = work.workers
        self._links = Links(work.runtime, work.secret)
        self.peers = WorkerPeers(work.number, registry, self._links)
        self.keeper = Keeper(work.runtime)
        self.listening = socket.socket(fileno=work.listening)
        path = self._links.path(work.number)
        path.unlink(missing_ok=True)  # of the one before, which died
        self._own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._own.bind(str(path))
        self._own.listen(1024)

    def inner(self, sessions: Sessions, access: Access) -> list[Middleware]:
        """What passes requests for others' sessions on."""
        return [
            Middleware(Relay, sessions=sessions, access=access, peers=self.peers, links=self._links)
        ]

    def beside(self, app: FastAPI, sessions: Sessions) -> Beside:
        """What the others ask."""
        door = Door(app, sessions, self._links.secret)
        return Beside(self._own, door, lambda: door.watchers)


def settings_of(work: Work) -> ServeSettings:
    """The settings of one worker: those of the server, with its part of the ports."""
    settings = read_settings(None, work.settings)
    rtp = share_of(settings.rtp, work.number, work.workers)
    return settings.model_copy(update={"rtp": rtp})


def run(work: Work) -> None:
    """Serve until told to stop. Raises `LivemoodError`."""
    settings = settings_of(work)
    loaded = open_model(settings.model, settings.provider)
    drain, stop = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: drain.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    threading.Thread(target=_until_alone, args=(stop,), name="livemood-parent", daemon=True).start()
    with closing(Registry(work.runtime / REGISTRY)) as registry:
        place = WorkerPlace(work, registry)
        with Service(settings, loaded, monitor_settings(settings, loaded), place) as service:
            print(READY, flush=True)  # noqa: T201 - this is how it answers
            while not stop.wait(0.05):
                if drain.is_set() and not service.sessions.stopping:
                    service.sessions.refuse_new()


def _until_alone(stop: threading.Event) -> None:
    while os.read(0, 1024):  # not by `sys.stdin`, whose lock would be held at the end
        pass
    stop.set()


def main() -> None:
    """Do what standard input asks for."""
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := os.read(0, 65_536)):
            return
        line += piece
    work = Work.model_validate_json(line)
    try:
        run(work)
    except LivemoodError as error:
        sys.stderr.write(f"livemood: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    os.umask(0o077)
    main()
