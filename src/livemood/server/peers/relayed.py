"""Who a relayed request is for: one worker lets them in and says so, another believes it."""

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from starlette.types import Scope

from livemood.server.peers.links import PRINCIPAL, SECRET, Headers

KEY: Final = "livemood.caller"
"""Where an ASGI scope says who asks. No client can set it."""
NOT_PASSED: Final = frozenset(
    {
        b"authorization",
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"transfer-encoding",
        b"upgrade",
        SECRET.encode(),
        PRINCIPAL.encode(),
    }
)
"""Headers that concern one connection alone, or that others must not set."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever was let in at the public address, and whether that was at another worker."""

    name: str
    scopes: tuple[str, ...]
    session: str | None
    token: int | None
    relayed: bool = False

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Who asks; known once the request was let in."""
        caller = scope[KEY]
        assert isinstance(caller, cls)  # noqa: S101 - nobody else sets it
        return caller

    def header(self) -> tuple[bytes, bytes]:
        """What another worker is told of them."""
        said = {
            "name": self.name,
            "scopes": list(self.scopes),
            "session": self.session,
            "token": self.token,
        }
        return PRINCIPAL.encode(), json.dumps(said).encode("ascii")

    @classmethod
    def from_header(cls, header: bytes) -> Self:
        """Who another worker says they are."""
        said: dict[str, Any] = json.loads(header)
        return cls(
            said["name"], tuple(said["scopes"]), said["session"], said["token"], relayed=True
        )


def is_relayed(scope: Scope) -> bool:
    """Whether a request came by another worker."""
    caller = scope.get(KEY)
    return isinstance(caller, Caller) and caller.relayed


def forwarded(scope: Scope, caller: Caller) -> Headers:
    """A request's headers as another worker gets them."""
    kept = [(name, value) for name, value in scope["headers"] if name not in NOT_PASSED]
    return [*kept, caller.header()]
