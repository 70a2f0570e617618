"""Who asks, and what for they may."""

from dataclasses import dataclass
from typing import Self

from livemood.server.peers.relayed import Caller
from livemood.server.refused import Refused
from livemood.server.storage.tokens import SCOPES, Scope, TokenInfo


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a request comes from."""

    name: str
    """What the audit log calls it."""
    scopes: frozenset[Scope]
    session: str | None = None
    """The one session that it may have to do with; none for all."""
    token: int | None = None
    """Number of its token; none for the local user of an open server."""

    @classmethod
    def of(cls, token: TokenInfo) -> Self:
        """Whoever holds a token."""
        name = f"token:{token.number} {token.name}".strip()
        return cls(name, frozenset(token.scopes), token.session, token.number)

    @classmethod
    def from_caller(cls, caller: Caller) -> Self:
        """Whoever a worker says that it let in."""
        scopes = frozenset(scope for scope in SCOPES if scope in caller.scopes)
        return cls(caller.name, scopes, caller.session, caller.token)

    @property
    def caller(self) -> Caller:
        """What another worker is told."""
        return Caller(self.name, tuple(sorted(self.scopes)), self.session, self.token)

    @property
    def id(self) -> str:
        """How a session records who created it."""
        return "local" if self.token is None else f"token:{self.token}"

    def require(self, *scopes: Scope, session: str | None = None) -> None:
        """Raise `Refused` unless one of `scopes` is held, and `session` is no other's.

        Requests that concern no single session are refused to whoever is held to one.
        """
        if self.session is not None and self.session != session:
            raise Refused("other_session", "this token is for another session", 403)
        if not self.scopes & set(scopes):
            raise Refused("missing_scope", f"this needs a token for {' or '.join(scopes)}", 403)

    def require_own(self, session: str, created_by: str) -> None:
        """Raise `Refused` unless it may manage, or ingests into, the session."""
        self.require("manage", "ingest", session=session)
        if "manage" not in self.scopes and self.session is None and created_by != self.id:
            raise Refused("other_session", "another token's session: this needs manage", 403)


LOCAL = Principal("local", frozenset(SCOPES))
"""The user of this machine, where no token is asked for."""
