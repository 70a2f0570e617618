"""Who the nodes are and who has which session: as NATS says, kept up to date in memory."""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from typing import Final

from pydantic import ValidationError

from livemood.server.cluster.told import Held, Lease, Moved
from livemood.server.cluster.wire import LEASES, LOST, SESSIONS, Wire
from livemood.server.peers.interface import Entry, Holding
from livemood.server.peers.placement import Share
from livemood.server.peers.registry import Owned

log = logging.getLogger(__name__)

BEAT_S: Final = 1.0
DEAD_S: Final = 4.5
"""A node that was not heard of for so long is dead, unless NATS was."""
CONFIRM_S: Final = 1.0
RENEW_BEATS: Final = 3600
"""So often everything is said again, before NATS forgets it."""


class Board:
    """One node's view of the cluster. Any thread may call; coroutines belong to the wire's loop."""

    def __init__(self, wire: Wire, name: str, gone: Callable[[str], None]) -> None:
        """`gone` is told of sessions of this node that others have ended."""
        self.node = secrets.randbits(48) | 1
        self._wire, self._gone = wire, gone
        self._lock = threading.RLock()
        self._leases: dict[int, Lease] = {}
        self._heard: dict[int, float] = {}
        self._sessions: dict[str, Held] = {}
        self._unconfirmed: set[str] = set()
        self._listed: set[str] = set()
        self.whole = threading.Event()
        """Set once everything that was there is known."""
        self.own = Lease(
            node=self.node, name=name, beat=0, address="", url="", load=0.0, cost=0.0, ready=False
        )

    async def run(self) -> None:
        """Begin; called in the wire's loop."""
        self._wire.keep(self._wire.follow(LEASES, lambda: None, self._lease, lambda: None))
        self._wire.keep(
            self._wire.follow(SESSIONS, self._listed.clear, self._session, self._all_there)
        )
        self._wire.keep(self._beats())

    # What NATS says

    def _lease(self, key: str, value: bytes | None) -> None:
        with self._lock:
            if value is None:
                self._leases.pop(int(key, 16), None)
                return
            try:
                lease = Lease.model_validate_json(value)
            except ValidationError:
                log.warning("a node of another version is passed over")
                return
            known = self._leases.get(lease.node)
            if (
                known is None or lease.beat > known.beat
            ):  # an old one that was sent again counts not
                self._leases[lease.node] = lease
                self._heard[lease.node] = self._wire.loop.time()

    def _session(self, key: str, value: bytes | None) -> None:
        with self._lock:
            known = self._sessions.get(key)
            mine = known is not None and known.node == self.node
            if value is None:
                if mine and key not in self._unconfirmed:
                    self._gone(key)
                elif not mine:
                    self._sessions.pop(key, None)
                return
            self._listed.add(key)
            try:
                held = Held.model_validate_json(value)
            except ValidationError:
                return
            if held.node == self.node or mine:  # what this node knows of its own is newer
                return
            if known is not None and known.moved is not None:
                self._heard.pop(known.node, None)
            self._sessions[key] = held
            self._heard.setdefault(held.node, self._wire.loop.time())

    def _all_there(self) -> None:
        with self._lock:
            for session, held in list(self._sessions.items()):
                if session in self._listed:
                    continue
                if held.node == self.node:
                    self._unconfirmed.add(session)  # NATS lost it, or never had it
                else:
                    del self._sessions[session]
        self.whole.set()

    # What this node says

    async def _beats(self) -> None:
        while True:
            self.own = self.own.model_copy(update={"beat": self.own.beat + 1})
            if not self.own.beat % RENEW_BEATS:
                with self._lock:
                    own = [s for s, held in self._sessions.items() if held.node == self.node]
                    self._unconfirmed.update(own)
            if self._wire.connected:
                await self._say()
            await asyncio.sleep(BEAT_S)

    async def _say(self) -> None:
        await self._wire.put(LEASES, f"{self.node:x}", self.own.model_dump_json().encode())
        with self._lock:
            waiting = list(self._unconfirmed)
        for session in waiting:
            await self._confirm(session)

    async def _confirm(self, session: str) -> None:
        with self._lock:
            held = self._sessions.get(session)
            mine = held is not None and held.node == self.node
        if held is None or not mine:
            done = held is not None or await self._wire.delete(SESSIONS, session)
        else:
            done = await self._wire.put(SESSIONS, session, held.model_dump_json().encode())
        if done:
            with self._lock:
                if self._sessions.get(session) == held:
                    self._unconfirmed.discard(session)

    def _change(self, session: str, held: Held | None, *, wait: bool = False) -> None:
        with self._lock:
            if held is None:
                self._sessions.pop(session, None)
            else:
                self._sessions[session] = held
            self._unconfirmed.add(session)
        if self._wire.connected:
            confirmed = self._wire.run(self._confirm(session))
            if wait:
                with suppress(LateError):
                    confirmed.result(CONFIRM_S)

    def serves(self, address: str, url: str) -> None:
        """Where this node is reached, by nodes and by clients."""
        self.own = self.own.model_copy(update={"address": address, "url": url, "ready": True})

    def is_ready(self, ready: bool) -> None:
        """Whether it takes sessions."""
        self.own = self.own.model_copy(update={"ready": ready})

    def confirm_again(self, session: str) -> None:
        """NATS does not know a session of this node any more: it is told with the next beat."""
        with self._lock:
            self._unconfirmed.add(session)

    async def resign(self) -> None:
        """Say that this node goes away."""
        await self._wire.delete(LEASES, f"{self.node:x}")

    # Sessions, as `Registry` has them

    def enter(self, worker: int, entry: Entry, check: Callable[[Iterable[Holding]], None]) -> None:
        """Add a session, unless `check` raises: limits are each node's own."""
        check(())
        held = Held(
            node=worker, creator=entry.creator, kind=entry.kind, parties=entry.parties, waiting=True
        )
        self._change(entry.session, held, wait=True)

    def began(self, session: str, channels: int) -> None:
        """Its sound has begun."""
        with self._lock:
            held = self._sessions.get(session)
        if held is not None:
            fields = {"waiting": False, "parties": channels, "node": self.node}
            self._change(session, held.model_copy(update=fields))

    def ended(self, session: str) -> None:
        """A session of this node has ended, and all of it is kept: others are still to be told."""

    def leave(self, session: str) -> None:
        """It has ended, and everybody was told."""
        self._change(session, None)

    def hand_over(self, session: str, to: int) -> None:
        """It belongs to another node."""
        with self._lock:
            held = self._sessions.get(session)
            if held is None:
                return
            moved = held.model_copy(update={"node": to})
            self._sessions[session] = moved
            self._unconfirmed.discard(session)

    def take_over(self, session: str, held: Held) -> None:
        """A session of another node, which left it, is this node's."""
        self._change(session, held.model_copy(update={"node": self.node, "moved": None}), wait=True)

    def let_go(self, session: str, moved: Moved) -> bool:
        """Leave a live session to whoever goes on with it; false if others cannot be told now."""
        with self._lock:
            held = self._sessions.get(session)
        if held is None or held.node != self.node:
            return False
        fields = {"node": secrets.randbits(48) | 1, "moved": moved}
        left = held.model_copy(update=fields)
        said = self._wire.put(SESSIONS, session, left.model_dump_json().encode())
        try:
            if not self._wire.run(said).result(CONFIRM_S):
                return False
        except LateError:
            return False
        with self._lock:
            self._sessions[session] = left
            self._unconfirmed.discard(session)
            self._heard[left.node] = self._wire.loop.time()
        return True

    def left(self, session: str) -> Held | None:
        """A session that a node has left, as NATS has it; none if nobody left it. Blocks."""
        try:
            value = self._wire.run(self._wire.get(SESSIONS, session)).result(CONFIRM_S)
            held = None if value is None else Held.model_validate_json(value)
        except (*LOST, LateError, ValidationError):
            return None
        return None if held is None or held.moved is None else held

    def held_now(self, session: str) -> Held | None:
        """What is known of a session; NATS is asked if nothing is. Not for the wire's thread."""
        with self._lock:
            held = self._sessions.get(session)
        if held is not None or not self._wire.connected:
            return held
        try:
            value = self._wire.run(self._wire.get(SESSIONS, session)).result(CONFIRM_S)
            return None if value is None else Held.model_validate_json(value)
        except (*LOST, LateError, ValidationError):
            return None

    def owned(self, session: str) -> Owned | None:
        """Who has a session; none if nobody has it any more."""
        with self._lock:
            held = self._sessions.get(session)
        return None if held is None else Owned(held.node, held.parties)

    def of(self, node: int) -> list[str]:
        """The sessions of a node."""
        with self._lock:
            return [session for session, held in self._sessions.items() if held.node == node]

    def sessions(self, *, live: bool = False, but: int = -1) -> int:
        """How many there are: those that are live, or all; without those of one node."""
        with self._lock:
            held = list(self._sessions.values())
        return sum(each.node != but and not (live and each.waiting) for each in held)

    # Nodes

    def beat(self, worker: int, load: float, cost: float) -> None:
        """Say with the next beat that this node carries so much."""
        del worker
        self.own = self.own.model_copy(update={"load": load, "cost": cost})

    def others(self) -> list[Lease]:
        """The other nodes that live."""
        now = self._wire.loop.time()
        with self._lock:
            return [
                lease
                for node, lease in self._leases.items()
                if node != self.node and now - self._heard[node] <= DEAD_S
            ]

    def elsewhere(self) -> list[Lease]:
        """Those of them that have another address for clients, or are at another machine."""
        return self.others()

    def named(self, name: str) -> int | None:
        """The node of a name, if it lives."""
        return next((lease.node for lease in self.others() if lease.name == name), None)

    def lease(self, node: int) -> Lease | None:
        """What a node last said of itself."""
        with self._lock:
            return self._leases.get(node)

    def dead(self) -> list[int]:
        """Nodes that have sessions and live no more, if it is this node's turn to end them.

        While NATS is away nobody is heard of, so nobody is dead; nor right after it.
        """
        now = self._wire.loop.time()
        if not self._wire.connected or now - self._wire.since < DEAD_S or not self.whole.is_set():
            return []
        with self._lock:
            living = {lease.node for lease in self.others()} | {self.node}
            owners = {held.node for held in self._sessions.values()}
            gone = [
                n for n in owners - living if now - self._heard.get(n, self._wire.since) > DEAD_S
            ]
        return gone if min(living) == self.node else []

    def shares(self) -> list[Share]:
        """What each other node carries that takes sessions."""
        return [
            Share(lease.node, lease.load, lease.cost, 0) for lease in self.others() if lease.ready
        ]

    # Limits are each node's own

    def hold(self, worker: int, what: str, whose: str, more: int) -> None:
        """Nothing: nobody else counts it."""

    def held(self, what: str, whose: str | None, *, but: int) -> int:
        """None elsewhere."""
        del what, whose, but
        return 0

    def login_failed(self, worker: int, address: str, now: float) -> None:
        """Nothing, either."""

    def logins_failed(self, address: str, since: float, *, but: int) -> Sequence[float]:
        """None elsewhere."""
        del address, since, but
        return ()
