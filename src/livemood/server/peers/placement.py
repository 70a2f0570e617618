"""Who takes the next session: by measured load. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker carries."""

    worker: int
    load: float
    """Measured over the last seconds, from 0 to 1."""
    cost: float
    """What one channel adds to it, as far as that worker knows."""
    channels: int
    """Of its sessions, those that wait for their sound included."""

    @property
    def weight(self) -> float:
        """What it carries or will: new channels count before they show in the load."""
        return max(self.load, self.cost * self.channels)


def lightest(own: Share, others: Iterable[Share]) -> int:
    """The worker that should take the next session.

    That is `own`, unless it carries more than another by a whole channel or more: a difference
    smaller than what is to be placed is none.
    """
    least = min(others, key=lambda share: share.weight, default=own)
    return least.worker if own.weight - least.weight >= own.cost else own.worker
