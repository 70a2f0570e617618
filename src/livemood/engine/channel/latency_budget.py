"""The latency budget: the newest window wins, and nobody works through a stale backlog."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadChange:
    """The budget began to be missed, or is kept again."""

    behind: bool
    latency_s: float


class LatencyBudget:
    """Decides which waiting windows of one stream to read, and how far to stretch the hop.

    A pure object: told capture times and what reading took, it never looks at a clock.
    """

    MAX_STRETCH = 8
    """The hop is never stretched by more than this."""
    CALM = 4
    """So many windows in a row well within the budget shorten the hop again."""
    WELL_WITHIN = 0.8
    """The part of the budget that is well within it."""

    def __init__(self, budget_s: float) -> None:
        if budget_s <= 0:
            raise ValueError(f"the budget must be above 0 s, not {budget_s}")
        self._budget = budget_s
        self._cost = 0.0
        self._calm = 0
        self.behind = False
        """Whether the budget is being missed."""
        self.stretch = 1
        """Windows should come on multiples of so many hops."""
        self.superseded = 0
        """Windows given up so far."""

    def give_up(self, captured_at: Sequence[float], now: float) -> int:
        """How many of the waiting windows, oldest first, to give up; never the newest.

        `captured_at` holds the capture time of each window's last sample, in order. A window is
        given up if its event could not be out within the budget, by what windows cost of late.
        """
        waiting = len(captured_at)
        for given_up in range(waiting - 1):
            left = captured_at[given_up:]
            late = any(
                now + (place + 1) * self._cost - captured > self._budget
                for place, captured in enumerate(left[:-1])
            )
            newest_late = now + len(left) * self._cost - left[-1] > self._budget
            if not late and not newest_late:
                self.superseded += given_up
                return given_up
        self.superseded += max(0, waiting - 1)
        return max(0, waiting - 1)

    def read(self, latency_s: float, compute_s: float, given_up: int = 0) -> LoadChange | None:
        """A window was read: its latency, what it cost, how many were given up before it."""
        self._cost += (compute_s - self._cost) * (0.2 if self._cost else 1.0)
        if given_up or latency_s > self._budget:
            self._calm = 0
            self.stretch = min(self.MAX_STRETCH, self.stretch * 2)
            if not self.behind:
                self.behind = True
                return LoadChange(True, latency_s)
            return None
        self._calm = self._calm + 1 if latency_s <= self.WELL_WITHIN * self._budget else 0
        if self.behind and self._calm >= self.CALM:
            self._calm = 0
            self.stretch = max(1, self.stretch // 2)
            if self.stretch == 1:
                self.behind = False
                return LoadChange(False, latency_s)
        return None
