"""Bearer tokens: made, known again by their hash, revoked."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from livemood.errors import UsageError
from livemood.server.storage.database import MainDatabase
from livemood.timeline.events import utc_now

Scope = Literal["ingest", "watch", "manage"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

PREFIX = "lm_"
"""By which secret scanners, and people, know a token."""


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What is kept of a token."""

    number: int
    name: str
    scopes: tuple[Scope, ...]
    session: str | None
    created: str
    expires: float | None
    """Unix time."""
    revoked: str | None
    state: Literal["valid", "expired", "revoked"]
    """Whether it can be used."""


class Tokens:
    """The tokens of a database.

    A token is 256 random bits, so a plain SHA-256 of it is as good to keep as a slow hash, and
    looking it up tells nothing by its time that could lead to another.
    """

    def __init__(self, database: MainDatabase, now: Callable[[], float] | None = None) -> None:
        """`now` gives Unix time and never falls; by default no less than the server last saw."""
        self._db = database
        self._now = now or self._latest

    def _latest(self) -> float:
        seen = self._db.clock()
        return max(time.time(), seen.time if seen else 0.0)

    def create(
        self,
        scopes: tuple[Scope, ...],
        name: str = "",
        session: str | None = None,
        lifetime_s: float | None = None,
    ) -> str:
        """A new token. It is not kept and cannot be had again. Raises `UsageError`."""
        if not scopes or not set(scopes) <= set(SCOPES):
            raise UsageError(f"a token needs scopes: one or more of {', '.join(SCOPES)}")
        if lifetime_s is not None and lifetime_s <= 0:
            raise UsageError("a token must live for more than no time")
        token = PREFIX + secrets.token_urlsafe(32)
        expires = None if lifetime_s is None else self._now() + lifetime_s
        ordered = " ".join(scope for scope in SCOPES if scope in scopes)
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO tokens (name, hash, scopes, session, created, expires) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (name, _hash(token), ordered, session, utc_now(), expires),
            )
        return token

    def find(self, token: str) -> TokenInfo | None:
        """What is kept of `token`; none if it is unknown, expired or revoked."""
        found = self._select("WHERE hash = ?", _hash(token))
        return found[0] if found and found[0].state == "valid" else None

    def holds(self, number: int) -> bool:
        """Whether the token of that number can still be used."""
        found = self._select("WHERE n = ?", number)
        return bool(found) and found[0].state == "valid"

    def revoke(self, number: int) -> bool:
        """Make a token useless; whether there was such a one."""
        with self._db.transaction() as db:
            done = db.execute(
                "UPDATE tokens SET revoked = coalesce(revoked, ?) WHERE n = ?", (utc_now(), number)
            )
            return done.rowcount == 1

    def all(self) -> list[TokenInfo]:
        """Every token ever made, by number."""
        return self._select("")

    @property
    def any(self) -> bool:
        """Whether one was ever made: from then on nobody is let in without."""
        return bool(self._db.rows("SELECT 1 FROM tokens LIMIT 1"))

    def _select(self, where: str, *values: object) -> list[TokenInfo]:
        rows = self._db.rows(
            "SELECT n, name, scopes, session, created, expires, revoked FROM tokens "  # noqa: S608
            f"{where} ORDER BY n",
            values,
        )
        now = self._now()
        return [
            TokenInfo(
                n, name, tuple(s.split()), session, made, until, gone, _state(now, until, gone)
            )
            for n, name, s, session, made, until, gone in rows
        ]


def _state(
    now: float, expires: float | None, revoked: str | None
) -> Literal["valid", "expired", "revoked"]:
    if revoked:
        return "revoked"
    return "expired" if expires is not None and expires <= now else "valid"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
