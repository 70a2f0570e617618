"""The tables of the main database, each as what it stands for."""

import time
from collections.abc import Callable
from pathlib import Path

from livemood.server.storage.alert_rules import AlertRuleTable
from livemood.server.storage.audit import Audit
from livemood.server.storage.baselines import Baselines
from livemood.server.storage.database import MainDatabase
from livemood.server.storage.postgresql.timelines import SharedTimelines
from livemood.server.storage.postgresql.tokens import RememberedTokens
from livemood.server.storage.store import Store
from livemood.server.storage.timelines import Timelines
from livemood.server.storage.tokens import Tokens


def open_timelines(folder: Path, database: MainDatabase) -> Timelines:
    """The timelines that go with a database. Raises `OSError`."""
    timelines = folder / "timelines"
    return SharedTimelines(timelines, database) if database.shared else Timelines(timelines)


def open_tokens(database: MainDatabase, now: Callable[[], float] | None = None) -> Tokens:
    """The tokens of a database; `now` is as for `Tokens`."""
    return RememberedTokens(database, now) if database.shared else Tokens(database, now)


class Tables:
    """Everything in the main database but the clock."""

    def __init__(
        self,
        database: MainDatabase,
        policy: str,
        wall: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` is the time by which tokens expire, Unix seconds."""
        self.sessions = Store(database, wall)
        self.audit = Audit(database, policy)
        self.baselines = Baselines(database, self.audit, wall)
        self.alert_rules = AlertRuleTable(database, self.audit)
        self.tokens = open_tokens(database, now)
