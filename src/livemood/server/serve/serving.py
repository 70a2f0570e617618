"""A server of many sessions: its threads and sockets, started and stopped in order."""

import logging
import threading
import time
from contextlib import ExitStack
from typing import Self

from livemood.engine import AnyModel, MonitorSettings
from livemood.server.access.access import Access
from livemood.server.access.connections import Connections
from livemood.server.inputs.rtp import RtpInput
from livemood.server.serve.app import build_app
from livemood.server.serve.exposure import check_exposure, is_public
from livemood.server.serve.registry import open_sessions
from livemood.server.serve.settings import ServeSettings
from livemood.server.serve.web import Membership, open_listener, web_server
from livemood.server.sessions.housekeeping import Housekeeper
from livemood.server.sessions.moving.leaving import end_all, forget_left, hand_on_all
from livemood.text.fusion import OpenWords, open_words

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
DRAIN_S = 3.0
"""How long clients may take to fetch the last events when the server stops."""


class Service:
    """Everything that `livemood serve` runs. Use it as a context manager.

    Raises `LivemoodError` on creation for what cannot be: a port that is taken, a folder that
    cannot be written, an address that must not be bound.
    """

    def __init__(
        self,
        settings: ServeSettings,
        model: AnyModel,
        monitor: MonitorSettings | None = None,
        membership: Membership | None = None,
    ) -> None:
        """`membership` is for one of several processes at one address; none if it is alone."""
        self.settings, self._membership = settings, membership
        self._words: OpenWords | None = None
        self._left: list[str] = []
        """Sessions that went on at other nodes."""
        with ExitStack() as undo:
            self.sessions = open_sessions(
                settings,
                model,
                monitor,
                peers=membership.peers if membership else None,
                keeper=membership.keeper if membership else None,
            )
            self.storage, self.hub = self.sessions.storage, self.sessions.hub
            undo.callback(self.storage.close)
            if settings.words is not None:
                self._words = open_words(settings.words, model, settings.recogniser)
                undo.callback(self._words.close)
                self.sessions.flow.words = self._words.thread
            check_exposure(settings, self.storage.tokens)
            shared = membership.listening if membership else None
            listener = open_listener(settings, shared, self.sessions.peers)
            undo.callback(listener.close)
            self.access = Access(
                self.storage.tokens,
                public=is_public(settings),
                failed_logins=settings.limits.failed_logins,
                peers=self.sessions.peers,
            )
            self.sessions.holds = self.access.holds_id
            self.connections = Connections(
                self.access,
                settings.limits.clients,
                self.sessions.metrics.clients,
                self.sessions.peers,
            )
            self.rtp = RtpInput(self.sessions, settings.rtp)
            inner = membership.middleware(self.sessions, self.access) if membership else []
            app = build_app(
                self.sessions,
                self.access,
                settings,
                self.connections,
                self.rtp,
                self._on_start,
                inner,
            )
            self._internal = membership.internal(app, self.sessions) if membership else None
            self._http = web_server(listener, app, settings, self._internal)
            self.port: int = self._http.port
            undo.pop_all()
        workers = membership.workers if membership else 1
        self._keeper = Housekeeper(self.sessions, self.connections.sweep, workers)

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = self.settings.host
        scheme = "https" if self.settings.cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Self:
        if (
            self._membership is None or self._membership.keeper is None
        ):  # else whoever started them did
            recovered = self.storage.recover()
            if recovered:
                log.warning("%d sessions were interrupted when the server last stopped", recovered)
        self.storage.retain()
        self.sessions.peers.beat(0.0, self.sessions.admission.cost)
        if self.sessions.flow.notifier:
            self.sessions.flow.notifier.__enter__()
        self.hub.__enter__()
        self._http.start()
        self._keeper.start()
        self.rtp.__enter__()
        if self._membership:
            self._membership.attach(self.sessions, self.url)
        return self

    def drain(self, hurry: threading.Event) -> None:
        """Refuse new sessions, and wait until those that run have ended by themselves.

        After the setting `drain_timeout_s` those that can go on at another node are left to it.
        Once `hurry` is set nothing is waited for. Meanwhile `/readyz` says no, and everything else
        is served as before.
        """
        self.sessions.refuse_new()
        deadline = time.monotonic() + self.settings.drain_timeout_s
        while self.sessions.running() and time.monotonic() < deadline:
            if hurry.wait(LOOK_EVERY_S):
                return
        self.hand_on(hurry)

    def hand_on(self, hurry: threading.Event) -> None:
        """Leave those sessions to other nodes that can go on there; no more once `hurry` is set."""
        self._left += hand_on_all(self.sessions, hurry)

    def __exit__(self, *_: object) -> None:
        """End every session, let clients fetch the last events, then stop."""
        end_all(self.sessions)
        if self._membership:
            self._membership.leave()
        self.rtp.__exit__()
        self._keeper.stop()
        self._http.stop(self._clients, DRAIN_S)
        self.hub.__exit__()
        if self._words:
            self._words.close()
        if self.sessions.flow.notifier:
            self.sessions.flow.notifier.__exit__()
        forget_left(self.sessions, self._left)
        self.storage.close()

    def _clients(self) -> int:
        return len(self.connections) + (self._internal.watchers() if self._internal else 0)

    def _on_start(self) -> None:
        self.sessions.delivery.attach(self._http.loop)
