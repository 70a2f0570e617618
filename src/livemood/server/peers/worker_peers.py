"""One worker's view of the others: through the registry that all share, and by asking them."""

import asyncio
import json
import logging
import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, WebSocketException

from livemood.server.peers.interface import Entry, Followed, Holding, Peers
from livemood.server.peers.links import Links
from livemood.server.peers.placement import Share, lightest
from livemood.server.peers.registry import Directory
from livemood.server.peers.relayed import Caller, forwarded, is_relayed
from livemood.server.refused import Refused
from livemood.server.spec import Kind, SessionRecord

log = logging.getLogger(__name__)

RECORDS: Final = TypeAdapter(list[SessionRecord])
SEQ: Final = re.compile(r'"seq":(\d+)')
"""The number of an event; inside its strings the quotes would be escaped."""
LOOK_S: Final = 0.05
GONE_S: Final = 6.0
"""How long to wait until it is known what became of the sessions of a worker that died."""
JUST_S: Final = 0.3
"""A connection accepted so lately counts as a channel, until its session is there."""
ENDED, AHEAD = 1000, 4400
"""Close codes of `/watch`: all was sent; more was asked for than there is."""


class WorkerPeers(Peers):
    """The other workers, for one of them."""

    gone_s = GONE_S

    def __init__(self, number: int, registry: Directory, links: Links) -> None:
        self.number = number
        self._registry, self._links = registry, links
        self._accepted: deque[float] = deque()
        self._lock = threading.Lock()
        self._load, self._cost = 0.0, 0.0

    # Sessions

    def enter(self, entry: Entry, check: Callable[[Iterable[Holding]], None]) -> None:
        """Note a new session, unless `check`, told of all others' sessions, raises."""
        self._registry.enter(self.number, entry, check)
        with self._lock:
            if self._accepted:
                self._accepted.popleft()

    def began(self, session: str, channels: int) -> None:
        """Its sound has begun."""
        self._registry.began(session, channels)

    def leave(self, session: str) -> None:
        """It has ended, and all of it is on disk."""
        self._registry.leave(session)

    def owner(self, session: str) -> int | None:
        """The other worker that has the session; none if none has."""
        owned = self._registry.owned(session)
        return owned.worker if owned and owned.worker != self.number else None

    def take(self, session: str) -> int | None:
        """Ask whoever has a waiting session to leave it to this worker; its parties if it does."""
        if (owner := self.owner(session)) is None:
            return None
        try:
            self._links.ask(owner, f"/release/{session}", self.number)
        except OSError:  # what counts is what the registry says now
            log.debug("a worker does not answer", exc_info=True)
        owned = self._registry.owned(session)
        return owned.parties if owned and owned.worker == self.number else None

    def hand_over(self, session: str, to: int) -> None:
        """It belongs to another worker from now on."""
        self._registry.hand_over(session, to)

    def listed(self, sessions: Sequence[str]) -> dict[str, SessionRecord]:
        """How those of the sessions that others have look now; without who does not answer."""
        by_owner: dict[int, list[str]] = {}
        for session in sessions:
            if (owner := self.owner(session)) is not None:
                by_owner.setdefault(owner, []).append(session)
        found: dict[str, SessionRecord] = {}
        for owner, theirs in by_owner.items():
            try:
                _, answer = self._links.ask(owner, "/listed", theirs)
                found |= {record.id: record for record in RECORDS.validate_python(answer)}
            except (OSError, ValueError):  # what is on disk is shown in its place
                log.debug("a worker does not answer", exc_info=True)
        return found

    @property
    def sessions_elsewhere(self) -> int:
        """Sessions of others that wait or are live."""
        return self._registry.sessions(but=self.number)

    # What is limited for the whole machine

    def hold(self, what: str, whose: str = "") -> None:
        """One more of something that is limited."""
        self._registry.hold(self.number, what, whose, 1)

    def let_go(self, what: str, whose: str = "") -> None:
        """One less."""
        self._registry.hold(self.number, what, whose, -1)

    def elsewhere(self, what: str, whose: str | None = None) -> int:
        """How many others hold; of one owner, or of all."""
        return self._registry.held(what, whose, but=self.number)

    def login_failed(self, address: str, now: float) -> None:
        """Somebody at `address` failed to log in."""
        self._registry.login_failed(self.number, address, now)

    def logins_failed(self, address: str, since: float) -> Sequence[float]:
        """When those at `address` failed at other workers since then."""
        return self._registry.logins_failed(address, since, but=self.number)

    # Placement

    def beat(self, load: float, cost: float) -> None:
        """Say that it lives, and what it carries."""
        self._load, self._cost = load, cost
        self._registry.beat(self.number, load, cost)

    def accepted(self) -> None:
        """A connection was accepted: its session may follow."""
        with self._lock:
            self._accepted.append(time.monotonic())

    def is_turn(self) -> bool:
        """Whether this worker should take the next connection."""
        try:
            return self.best() == self.number
        except sqlite3.Error:  # whoever it is: somebody must take it
            log.warning("who carries least is not known now", exc_info=True)
            return True

    def best(self) -> int:
        """The worker that should take the next session."""
        now = time.monotonic()
        with self._lock:
            while self._accepted and now - self._accepted[0] > JUST_S:
                self._accepted.popleft()
            coming = len(self._accepted)
        shares = {share.worker: share for share in self._registry.shares()}
        own = shares.pop(self.number, Share(self.number, self._load, self._cost, 0))
        own = Share(own.worker, own.load, own.cost, own.channels + coming)
        return lightest(own, shares.values())

    async def create_elsewhere(
        self, request: Request, kind: Kind, shared_port: bool
    ) -> Response | None:
        """The answer of the worker that should create a session; none if it is this one.

        The first worker has the port that calls share.
        """
        del kind
        best = self._first() if shared_port else self.best()
        if best == self.number or is_relayed(request.scope):
            return None
        try:
            headers = forwarded(request.scope, Caller.of(request.scope))
            target, body = b"/v1/sessions", await request.body()
            async with self._links.request(best, "POST", target, headers, body) as answer:
                response, pieces = answer
                content = b"".join([piece async for piece in pieces])
            return Response(content, response.status_code, media_type="application/json")
        except (OSError, TimeoutError):
            if shared_port:
                raise Refused("busy", "the shared port is not there now", 503, 1) from None
            return None  # it died just now: the session is created here

    def _first(self) -> int:
        """The worker that has the port that calls share."""
        return 0

    async def follow(
        self, socket: WebSocket, session: str, owner: int, after: int | None
    ) -> Followed:
        """Send the events of another worker's session, until its end or until it is elsewhere."""
        code = None
        try:
            async with self._links.watch(owner, session, after) as watching:
                after = int(json.loads(await watching.recv())["after"])
                try:
                    async for text in watching:
                        await socket.send_text(str(text))
                        if (found := SEQ.search(str(text))) is not None:
                            after = int(found[1])
                except ConnectionClosed:
                    pass
                code = watching.close_code
                if code == AHEAD:
                    raise Refused("bad_request", watching.close_reason or "", 400)
        except (OSError, TimeoutError, WebSocketException):
            log.debug("a worker cannot be followed", exc_info=True)
        if code == ENDED:
            return Followed(after, ended=True)
        if code is None or code == 1006:
            await self.until_gone(session, owner)
        else:  # it is elsewhere: the registry says where, or is about to
            await asyncio.sleep(LOOK_S)
        return Followed(after, ended=False)

    async def until_gone(self, session: str, owner: int) -> bool:
        """Wait until a worker that does not answer has the session no more; whether it has not."""
        deadline = time.monotonic() + self.gone_s
        while self.owner(session) == owner:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_S)
        return True
