"""One node's view of the others: through NATS, and by asking them."""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.websockets import WebSocket

from livemood.errors import LivemoodError
from livemood.server.cluster.board import Board
from livemood.server.cluster.links import NodeLinks
from livemood.server.cluster.moves import Moves
from livemood.server.cluster.watching import KNOWN_S, Watched, Watching
from livemood.server.peers.interface import Followed, Left
from livemood.server.peers.relayed import is_relayed
from livemood.server.peers.worker_peers import LOOK_S, WorkerPeers
from livemood.server.refused import Refused
from livemood.server.sessions.follow import send_live
from livemood.server.sessions.sessions import Sessions
from livemood.timeline.events import client_notice

if TYPE_CHECKING:
    from livemood.server.cluster.outgoing import Outgoing
    from livemood.server.cluster.sealing import Resumes
    from livemood.server.cluster.wire import Wire
    from livemood.server.spec import Kind, SessionRecord

log = logging.getLogger(__name__)

BEHIND_S: Final = 8.0
"""How long what a watcher had from another node may take to be known here.

If that node died, nobody knows it; but the end of the session comes once its lease has run out.
"""


class NodePeers(WorkerPeers):
    """The other nodes, for one of them."""

    gone_s = 15.0

    def __init__(
        self,
        board: Board,
        wire: "Wire",
        links: NodeLinks,
        watching: Watching,
        outgoing: "Outgoing",
        resumes: "Resumes",
    ) -> None:
        super().__init__(board.node, board, links)
        self._moves = Moves(board, wire, outgoing, resumes)
        self._board, self._wire, self._watching = board, wire, watching
        self._outgoing = outgoing
        self._sessions: Sessions | None = None

    def attach(self, sessions: Sessions) -> None:
        """These are the sessions of this node."""
        self._sessions = sessions

    # Sessions

    def home(self, session: str) -> int | None:
        """The other node that keeps the sound of a session, if it lives."""
        if (
            self._sessions is None
            or (name := self._sessions.storage.sessions.home(session)) is None
        ):
            return None
        return self._board.named(name)

    def forget(self, session: str) -> None:
        """It was deleted: leave nothing of it in NATS."""
        self._wire.run(self._wire.purge(session))

    def take(self, session: str) -> int | None:
        """Ask whoever has a waiting session to leave it to this node; its parties if it does."""
        held = self._board.held_now(session)
        if held is None or held.node == self.number:
            return None
        try:
            _, left = self._links.ask(held.node, f"/release/{session}", self.number)
        except OSError:
            log.debug("a node does not answer", exc_info=True)
            return None
        if left is not True:
            return None
        self._board.take_over(session, held)
        return held.parties

    @property
    def can_move(self) -> bool:
        """Whether NATS answers, and there is another node that takes sessions."""
        return self._wire.connected and any(lease.ready for lease in self._board.elsewhere())

    def hand_on(self, record: "SessionRecord", last: int, end_ms: int) -> str | None:
        """Leave a live session to who brings the token; none if others cannot be told. Blocks."""
        return self._moves.hand_on(record, last, end_ms)

    def left(self, record: "SessionRecord", token: str) -> Left:
        """What another node has left of a session. Blocks. Raises `Refused`."""
        return self._moves.left(record, token)

    def publish(self, session: str, seq: int, text: str) -> None:
        """Tell others of an event of a session of this node."""
        self._outgoing.put(session, seq, text)

    def leave(self, session: str) -> None:
        """It has ended, and all of it is kept: others are told once NATS has all of it."""
        self._board.ended(session)
        self._outgoing.end(session)

    def gone(self, session: str) -> None:
        """Another node says that a session of this one is over; called in the wire's loop."""
        self._wire.keep(self._look_after(session))

    async def _look_after(self, session: str) -> None:
        """If it has ended in the database, it has ended; if not, NATS is told again."""
        sessions = self._sessions
        if sessions is None or (opened := sessions.open(session)) is None:
            return
        try:
            record = await asyncio.to_thread(sessions.storage.sessions.get, session)
        except LivemoodError:  # the database is away, too
            record = opened.record
        if record is None or record.state == "ended":
            log.error("a session of this node was ended by another, which did not hear of it")
            self._outgoing.drop(session)
            await asyncio.to_thread(sessions.finish, opened, "interrupted")
        else:
            self._board.confirm_again(session)

    @property
    def failing(self) -> str | None:
        """Why others cannot be told of anything now, if so."""
        return None if self._wire.connected else "NATS does not answer"

    @property
    def waiting(self) -> int:
        """Events that NATS has not confirmed yet."""
        return self._outgoing.depth

    # Placement

    def beat(self, load: float, cost: float) -> None:
        """Say what this node carries, and whether it takes sessions."""
        super().beat(load, cost)
        if self._sessions is not None:
            self._board.is_ready(self._has_room())

    def _has_room(self) -> bool:
        if (sessions := self._sessions) is None:
            return True
        try:
            sessions.check_room(1)
        except Refused:
            return False
        return len(sessions.all_open()) < sessions.limits.sessions

    def elsewhere_url(self) -> str | None:
        """Where a session should go that this node cannot take; none if it can, or nobody can."""
        if self._has_room():
            return None
        ready = [lease for lease in self._board.elsewhere() if lease.ready and lease.url]
        return min(ready, key=lambda lease: lease.load).url if ready else None

    async def create_elsewhere(
        self, request: Request, kind: "Kind", shared_port: bool
    ) -> Response | None:
        """The way to a node that takes a session; none if it is this one, or nobody does."""
        del kind, shared_port
        url = None if is_relayed(request.scope) else self.elsewhere_url()
        return None if url is None else RedirectResponse(f"{url}/v1/sessions", 307)

    # Watching

    async def follow(
        self, socket: WebSocket, session: str, owner: int, after: int | None
    ) -> Followed:
        """Send the events of another node's session, as NATS has them."""
        del owner
        assert self._sessions is not None  # noqa: S101 - requests come later
        async with self._watching.watch(session) as watched:
            try:
                async with asyncio.timeout(KNOWN_S):
                    await watched.reached.wait()
            except TimeoutError:
                return Followed(after, ended=False)
            after = watched.log.last_seq if after is None else after
            after = await self._reached(socket, watched, after)
            after = await send_live(socket, self._sessions, watched.log, after, self._watching)
            return Followed(after, ended=watched.log.ended)

    async def _reached(self, socket: WebSocket, watched: Watched, after: int) -> int:
        """Where a watcher goes on that comes from another node, which may have been quicker.

        What NATS never got of a node that died is lost: the watcher is told how much.
        """
        log = watched.log
        for _ in range(round(BEHIND_S / LOOK_S)):
            if after < log.last_seq or (after == log.last_seq and not log.closed):
                return after
            await asyncio.sleep(LOOK_S)
        if not log.closed or not after:
            return after
        kept = log.last_seq - 1
        text = "the newest events were not kept"
        await socket.send_text(client_notice("rewound", text, after - kept).model_dump_json())
        return kept
