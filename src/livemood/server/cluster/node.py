"""One node: its connection to NATS, and everything that goes through it."""

from contextlib import ExitStack, suppress

from livemood.errors import LivemoodError
from livemood.server.cluster.links import NodeLinks
from livemood.server.cluster.outgoing import Outgoing
from livemood.server.cluster.sealing import Seals
from livemood.server.cluster.siblings import Place, parts
from livemood.server.cluster.survivors import Survivors
from livemood.server.cluster.watching import Watching
from livemood.server.cluster.wire import Wire
from livemood.server.serve.settings import ServeSettings
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.postgresql.opening import node_of

LEAVE_S = 5.0


class Node:
    """Its parts, put together. Raises `LivemoodError` if NATS cannot be used."""

    def __init__(self, settings: ServeSettings, place: Place | None = None) -> None:
        """`place` is that of one worker of several on its machine."""
        assert settings.cluster is not None  # noqa: S101 - as is known where this is called
        seals = Seals(settings.node.secret())
        self.signer = seals.signer()
        name = node_of(settings.data)
        with ExitStack() as undo:
            self._wire = Wire(
                settings.cluster, settings.node.credentials(), settings.node.ca, seals
            )
            self._wire.start()
            undo.callback(self._wire.close)
            made = parts(self._wire, name, self._gone, settings.data, place)
            self._board, peers, watched = made
            self.links = NodeLinks(self._board, self.signer, settings.node.ca)
            self._watching = Watching(self._wire, watched)
            undo.pop_all()
        self._outgoing = Outgoing(self._wire, self._read, self._board.leave, self._gone)
        resumes = seals.resumes()
        self.peers = peers(
            self._board, self._wire, self.links, self._watching, self._outgoing, resumes
        )
        self._sessions: Sessions | None = None

    @property
    def number(self) -> int:
        """By which other nodes know it, until it ends."""
        return self._board.node

    def _gone(self, session: str) -> None:
        self.peers.gone(session)

    def _read(self, session: str, after: int, limit: int) -> list[tuple[int, str]]:
        return self._sessions.storage.events.read(session, after, limit) if self._sessions else []

    def join(self, sessions: Sessions, address: str, url: str) -> None:
        """Tell the others where this node is reached. Raises `LivemoodError`."""
        self._sessions = sessions
        self.peers.attach(sessions)
        erased = sessions.storage.on_erase

        def forget(session: str) -> None:
            erased(session)
            self.peers.forget(session)

        sessions.storage.on_erase = forget
        self._board.serves(address, url)
        for work in (self._board, self._outgoing, Survivors(self._board, self._wire, sessions)):
            self._wire.loop.call_soon_threadsafe(self._wire.keep, work.run())
        if not self._board.whole.wait(LEAVE_S):
            raise LivemoodError("NATS does not say who has which session: look at its log")

    def drain(self) -> None:
        """Let NATS have what sessions said."""
        self._outgoing.drain(LEAVE_S)

    def close(self) -> None:
        """Leave the cluster."""
        if self._wire.connected:
            with suppress(TimeoutError):  # the others notice by themselves
                self._wire.run(self._board.resign()).result(LEAVE_S)
        self._watching.close()
        self._wire.close()
