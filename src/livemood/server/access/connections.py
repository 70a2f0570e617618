"""Open WebSockets: counted, limited, closed when their token is revoked."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge
from starlette.websockets import WebSocket

from livemood.server.access.access import PROTOCOL, Access
from livemood.server.access.principal import Principal
from livemood.server.peers.interface import Peers
from livemood.server.refused import Refused


class Connections:
    """The WebSockets that are open. Belongs to the event loop."""

    def __init__(
        self, access: Access, limit: int, clients: Gauge, peers: Peers | None = None
    ) -> None:
        self._peers = peers or Peers()
        self._access, self._limit, self._clients = access, limit, clients
        self._open: dict[asyncio.Task[object], Principal] = {}
        self._revoked: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, socket: WebSocket) -> Principal:
        """Who opens `socket`, if it may come in. Raises `Refused`."""
        principal = self._access.principal(socket)
        self.check_room()
        return principal

    def check_room(self) -> None:
        """Raise `Refused` if there are as many as may be."""
        if len(self._open) + self._peers.elsewhere("client") >= self._limit:
            raise Refused("too_many_clients", "as many clients as are allowed", 503, 5)

    @contextmanager
    def held(self, principal: Principal) -> Iterator[None]:
        """Count the socket that this task serves, as long as it does.

        The task is cancelled when the token is revoked or expires; then this raises `Refused`.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - called by coroutines alone
        self._open[task] = principal
        self._clients.inc()
        self._peers.hold("client")
        try:
            yield
        except asyncio.CancelledError:
            if task in self._revoked:
                task.uncancel()
                raise Refused("bad_token", "the token was revoked or has expired", 401) from None
            raise
        finally:
            self._clients.dec()
            self._peers.let_go("client")
            del self._open[task]
            self._revoked.discard(task)

    def sweep(self) -> None:
        """Cancel those whose token does not hold any more."""
        holds: dict[Principal, bool] = {}
        for task, principal in list(self._open.items()):
            if principal not in holds:
                holds[principal] = self._access.holds(principal)
            if not holds[principal] and task not in self._revoked:
                self._revoked.add(task)
                task.cancel()


async def accept(socket: WebSocket) -> None:
    """Complete the handshake; our subprotocol is chosen where it is offered."""
    offered = socket.scope.get("subprotocols", ())
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
