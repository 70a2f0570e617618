"""The tables of the main database, each as what it stands for."""

import time
from collections.abc import Callable

from livemood.server.storage.alert_rules import AlertRuleTable
from livemood.server.storage.audit import Audit
from livemood.server.storage.baselines import Baselines
from livemood.server.storage.database import Database
from livemood.server.storage.store import Store
from livemood.server.storage.tokens import Tokens


class Tables:
    """Everything in the main database but the clock."""

    def __init__(
        self,
        database: Database,
        policy: str,
        wall: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` is the time by which tokens expire, Unix seconds."""
        self.sessions = Store(database, wall)
        self.audit = Audit(database, policy)
        self.baselines = Baselines(database, self.audit, wall)
        self.alert_rules = AlertRuleTable(database, self.audit)
        self.tokens = Tokens(database, now)
