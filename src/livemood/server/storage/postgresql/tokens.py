"""Tokens in a database that takes a while to answer, or may be away."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from livemood.server.storage.database import MainDatabase, StorageError
from livemood.server.storage.tokens import TokenInfo, Tokens

FRESH_S: Final = 2.0
"""What was found is not looked for again so soon: a revoked token may work for so long."""
AWAY_S: Final = 300.0
"""While the database is away, a token that was known is believed for so long."""
MOST: Final = 10_000


class RememberedTokens(Tokens):
    """Remembers what it found. Only tokens that exist are remembered."""

    def __init__(self, database: MainDatabase, now: Callable[[], float] | None = None) -> None:
        super().__init__(database, now)
        self._found: OrderedDict[object, tuple[float, list[TokenInfo]]] = OrderedDict()
        self._some = False

    @property
    def any(self) -> bool:
        """Whether one was ever made."""
        self._some = self._some or super().any
        return self._some

    def _select(self, where: str, *values: object) -> list[TokenInfo]:
        key = (where, *values)
        now = time.monotonic()
        at, kept = self._found.get(key, (0.0, []))
        if kept and now - at < FRESH_S:
            return kept
        try:
            found = super()._select(where, *values)
        except StorageError:
            if kept and now - at < AWAY_S:
                return kept
            raise
        if found and where:
            self._found[key] = (now, found)
            while len(self._found) > MOST:
                self._found.popitem(last=False)
        else:
            self._found.pop(key, None)
        return found
