"""What a server knows of other processes that serve the same address: here, that there are none."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from livemood.server.refused import Refused
from livemood.server.spec import Kind, SessionRecord
from livemood.server.storage.timelines import Row

Holding = tuple[str, int]
"""Of a session: its creator, and the channels that it waits for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that waits or is live, as others know it."""

    session: str
    creator: str
    kind: Kind
    parties: int


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a watcher of another worker's session came."""

    after: int | None
    """Number of the last event that it got."""
    ended: bool
    """Whether that is all; otherwise the session is to be looked for again."""


@dataclass(frozen=True, slots=True)
class Left:
    """A live session that another node has left, for this one to go on with."""

    rows: list[Row]
    """All of its events."""
    end_ms: int
    """Up to where its sound was heard."""
    heard: float
    """When that was, Unix seconds."""
    begin: Callable[[list[Row]], None]
    """Say what comes next: from then on it is this node's. Blocks. Raises `Refused`."""


class Peers:
    """Of a server that is one process: nobody else has sessions, and nothing is counted elsewhere.

    `WorkerPeers` is what the workers of one machine use in its place. Any thread may call, but for
    the coroutines, which belong to the event loop.
    """

    number: int = 0
    """Of this worker."""

    # Sessions

    def enter(self, entry: Entry, check: Callable[[Iterable[Holding]], None]) -> None:
        """Note a new session, unless `check`, told of all others' sessions, raises."""
        del entry
        check(())

    def began(self, session: str, channels: int) -> None:
        """Its sound has begun."""

    def leave(self, session: str) -> None:
        """It has ended, and all of it is on disk."""

    def owner(self, session: str) -> int | None:
        """The other worker that has the session, which waits or is live; none if none has."""
        del session
        return None

    def home(self, session: str) -> int | None:
        """The other worker that keeps the sound of a session; none if it is here. May block."""
        del session
        return None

    def take(self, session: str) -> int | None:
        """Ask whoever has a waiting session to leave it to this worker; its parties if it does."""
        del session
        return None

    def hand_over(self, session: str, to: int) -> None:
        """It belongs to another worker from now on."""

    def listed(self, sessions: Sequence[str]) -> dict[str, SessionRecord]:
        """How those of the sessions that others have look now."""
        del sessions
        return {}

    @property
    def sessions_elsewhere(self) -> int:
        """Sessions of others that wait or are live."""
        return 0

    def publish(self, session: str, seq: int, text: str) -> None:
        """Tell others of an event of a session of this process, in the order of its numbers."""

    # A live session that goes on at another node

    @property
    def can_move(self) -> bool:
        """Whether there is another node that a live session could go on at."""
        return False

    def hand_on(self, record: SessionRecord, last: int, end_ms: int) -> str | None:
        """Leave a live session, whose last event is number `last`, to who brings its token.

        `end_ms` is up to where it was heard. Returns the token; none if others cannot be told. May
        block.
        """
        del record, last, end_ms
        return None

    def left(self, record: SessionRecord, token: str) -> Left:
        """What another node has left of a session. Blocks. Raises `Refused`."""
        del record, token
        raise Refused("bad_resume", "sessions do not go on here that began elsewhere", 409)

    @property
    def failing(self) -> str | None:
        """Why others cannot be told of anything now, if so."""
        return None

    @property
    def waiting(self) -> int:
        """Events that others were not told of yet."""
        return 0

    # What is limited for the whole machine

    def hold(self, what: str, whose: str = "") -> None:
        """One more of something that is limited."""

    def let_go(self, what: str, whose: str = "") -> None:
        """One less."""

    def elsewhere(self, what: str, whose: str | None = None) -> int:
        """How many others hold; of one owner, or of all."""
        del what, whose
        return 0

    def login_failed(self, address: str, now: float) -> None:
        """Somebody at `address` failed to log in, at `now` on the monotonic clock."""

    def logins_failed(self, address: str, since: float) -> Sequence[float]:
        """When those at `address` failed at other workers since then."""
        del address, since
        return ()

    # Placement

    def is_turn(self) -> bool:
        """Whether this worker should take the next connection of those that share its address."""
        return True

    def accepted(self) -> None:
        """It has taken one: a session may follow."""

    def beat(self, load: float, cost: float) -> None:
        """Say that it lives; its load, from 0 to 1, and what one channel adds to it."""

    async def create_elsewhere(
        self, request: Request, kind: Kind, shared_port: bool
    ) -> Response | None:
        """The answer of the worker that should create a session; none if it is this one."""
        del request, kind, shared_port
        return None

    def elsewhere_url(self) -> str | None:
        """Where a producer should go whose session this process cannot take; none: nowhere."""
        return None

    async def follow(
        self, socket: WebSocket, session: str, owner: int, after: int | None
    ) -> Followed:
        """Send the events of another worker's session, as far as they can be had."""
        del socket, session, owner
        return Followed(after, ended=False)
