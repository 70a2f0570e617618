"""One worker: a whole server in a process of its own, started by the supervisor.

What it is to do comes as one line of JSON on standard input, which then stays open: its end says
that the supervisor has gone. On standard output it says once that it serves.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from livemood.engine.extensions import open_model
from livemood.errors import LivemoodError
from livemood.server.garbage import spare_what_is_loaded
from livemood.server.peers.registry import Registry
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings, monitor_settings, read_settings
from livemood.server.serve.web import Membership
from livemood.server.workers.membership import Work, WorkerMembership
from livemood.server.workers.ports import share_of

READY = "ready"
REGISTRY = "registry.db"
LOOK_S = 0.2


class Joined(Membership, Protocol):
    """A membership that ends."""

    def close(self) -> None:
        """Leave."""


Join = Callable[[ServeSettings, Work, Registry], Joined]


def join(settings: ServeSettings, work: Work, registry: Registry) -> WorkerMembership:
    """A worker of a machine that is no node of a cluster."""
    del settings
    return WorkerMembership(work, registry)


def settings_of(work: Work) -> ServeSettings:
    """The settings of one worker: those of the server, with its part of the ports."""
    settings = read_settings(None, work.settings)
    rtp = share_of(settings.rtp, work.number, work.workers)
    return settings.model_copy(update={"rtp": rtp})


def run(work: Work, join: Join) -> None:
    """Serve until told to stop. Raises `LivemoodError`.

    SIGTERM: take no new sessions. SIGUSR1: leave those that run to other nodes, and stop. SIGINT:
    stop now.
    """
    settings = settings_of(work)
    loaded = open_model(settings.model, settings.provider)
    drain, leave, stop = threading.Event(), threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: drain.set())
    signal.signal(signal.SIGUSR1, lambda *_: leave.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    threading.Thread(target=_until_alone, args=(stop,), name="livemood-parent", daemon=True).start()
    with closing(Registry(work.runtime / REGISTRY)) as registry:
        membership = join(settings, work, registry)
        monitor = monitor_settings(settings, loaded)
        with closing(membership), Service(settings, loaded, monitor, membership) as service:
            spare_what_is_loaded()
            print(READY, flush=True)  # noqa: T201 - this is how it answers
            while not stop.wait(LOOK_S):
                if drain.is_set() and not service.sessions.stopping:
                    service.sessions.refuse_new()
                if leave.is_set():
                    service.hand_on(stop)
                    break


def _until_alone(stop: threading.Event) -> None:
    while os.read(0, 1024):  # not by `sys.stdin`, whose lock would be held at the end
        pass
    stop.set()


def begin(join: Join) -> None:
    """Do what standard input asks for."""
    os.umask(0o077)
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := os.read(0, 65_536)):
            return
        line += piece
    work = Work.model_validate_json(line)
    try:
        run(work, join)
    except LivemoodError as error:
        sys.stderr.write(f"livemood: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    begin(join)
