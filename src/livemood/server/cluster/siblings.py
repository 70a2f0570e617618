"""A node that is one worker of several on its machine: they share an address, limits, and a folder.

What all workers of the machine must know at once, also while NATS is away, is in their registry:
who has which session, how busy each is, what is limited for all together. Everything else goes as
between nodes of different machines.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from livemood.server.cluster.board import Board
from livemood.server.cluster.peers import NodePeers
from livemood.server.cluster.told import Held, Lease, Moved
from livemood.server.cluster.wire import Wire
from livemood.server.peers.interface import Entry, Holding
from livemood.server.peers.placement import Share
from livemood.server.peers.registry import Owned, Registry
from livemood.server.peers.worker_peers import WorkerPeers
from livemood.server.spec import Kind
from livemood.server.workers.membership import Work

NO_ROOM = 503


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's place on its machine."""

    registry: Registry
    work: Work


class WorkerBoard(Board):
    """What one such node knows of the cluster, and notes for the other workers."""

    def __init__(self, wire: Wire, name: str, gone: Callable[[str], None], place: Place) -> None:
        super().__init__(wire, name, gone)
        self._registry, self._worker = place.registry, place.work.number
        self._registry.note_node(self._worker, self.node)

    # Sessions

    def enter(self, worker: int, entry: Entry, check: Callable[[Iterable[Holding]], None]) -> None:
        """Add a session, unless `check`, told of all that other workers have, raises."""
        self._registry.enter(self._worker, entry, check)
        super().enter(worker, entry, lambda _: None)

    def began(self, session: str, channels: int) -> None:
        """Its sound has begun."""
        self._registry.began(session, channels)
        super().began(session, channels)

    def ended(self, session: str) -> None:
        """A session of this node has ended: it counts no more, whether NATS answers or not."""
        self._registry.leave(session)

    def hand_over(self, session: str, to: int) -> None:
        """It belongs to another node; if that is another worker, it notes so itself."""
        self._registry.leave(session)
        super().hand_over(session, to)

    def take_over(self, session: str, held: Held) -> None:
        """A session of another node, which left it, is this node's."""
        entry = Entry(session, held.creator, held.kind, held.parties)
        self._registry.take(self._worker, entry, waiting=held.waiting)
        super().take_over(session, held)

    def let_go(self, session: str, moved: Moved) -> bool:
        """Leave a live session to whoever goes on with it; false if others cannot be told now."""
        if not super().let_go(session, moved):
            return False
        self._registry.leave(session)
        return True

    def owned(self, session: str) -> Owned | None:
        """Who has a session: what a worker noted here is newer than what NATS says."""
        found = self._registry.owned(session)
        node = None if found is None else self._registry.nodes().get(found.worker)
        if found is None or node is None:
            return super().owned(session)
        return Owned(node, found.parties)

    def held_now(self, session: str) -> Held | None:
        """What is known of a session; NATS is asked if nothing is."""
        owned, noted = self.owned(session), self._registry.entry(session)
        if owned is None or noted is None:
            return super().held_now(session)
        entry, waiting = noted
        return Held(
            node=owned.worker,
            creator=entry.creator,
            kind=entry.kind,
            parties=entry.parties,
            waiting=waiting,
        )

    # Nodes

    def beat(self, worker: int, load: float, cost: float) -> None:
        """Say that this node lives, and carries so much."""
        self._registry.beat(self._worker, load, cost)
        super().beat(worker, load, cost)

    def elsewhere(self) -> list[Lease]:
        """The living nodes of other machines."""
        here = set(self._registry.nodes().values())
        return [lease for lease in self.others() if lease.node not in here]

    def shares(self) -> list[Share]:
        """What each worker of this machine carries."""
        nodes = self._registry.nodes()
        return [
            Share(nodes[share.worker], share.load, share.cost, share.channels)
            for share in self._registry.shares()
            if share.worker in nodes
        ]

    def first(self) -> int:
        """The worker that has the port that calls share, as a node; 0 if it is not there now."""
        return self._registry.nodes().get(0, 0)

    # What is limited for the whole machine

    def hold(self, worker: int, what: str, whose: str, more: int) -> None:
        """A worker, which is this one, holds so many more of something."""
        del worker
        self._registry.hold(self._worker, what, whose, more)

    def held(self, what: str, whose: str | None, *, but: int) -> int:
        """How many the other workers hold; of one owner, or of all."""
        del but
        return self._registry.held(what, whose, but=self._worker)

    def login_failed(self, worker: int, address: str, now: float) -> None:
        """Somebody at `address` failed to log in."""
        del worker
        self._registry.login_failed(self._worker, address, now)

    def logins_failed(self, address: str, since: float, *, but: int) -> Sequence[float]:
        """When those at `address` failed at the other workers."""
        del but
        return self._registry.logins_failed(address, since, but=self._worker)


class SiblingPeers(NodePeers):
    """The other nodes, for one that shares its address with some of them."""

    _board: WorkerBoard

    async def create_elsewhere(
        self, request: Request, kind: Kind, shared_port: bool
    ) -> Response | None:
        """The answer of the worker that should create a session, or the way to another machine.

        None if it is to be created here.
        """
        there = await WorkerPeers.create_elsewhere(self, request, kind, shared_port)
        if there is not None and (shared_port or there.status_code != NO_ROOM):
            return there
        return await super().create_elsewhere(request, kind, shared_port)

    def _first(self) -> int:
        return self._board.first()


def parts(
    wire: Wire, name: str, gone: Callable[[str], None], data: Path, place: Place | None
) -> tuple[Board, type[NodePeers], Path]:
    """The board of a node, its view of the others, and a folder for what it reads of them.

    `place` is that of one worker of several on its machine.
    """
    if place is None:
        return Board(wire, name, gone), NodePeers, data / "watched"
    watched = place.work.runtime / f"watched-{place.work.number}"
    return WorkerBoard(wire, name, gone, place), SiblingPeers, watched
