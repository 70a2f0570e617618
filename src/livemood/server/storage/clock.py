"""When kept data may be deleted: more than one reading of one clock. A pure object."""

from dataclasses import dataclass
from typing import Final

PLAUSIBLE_S: Final = 86_400.0
"""A clock that has gone ahead by more than this since it was last seen is doubted."""
GRACE_S: Final = 86_400.0
"""A doubted clock is believed after the server has run beside it for so long."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of the clock from one start of the server to the next."""

    time: float
    """The latest believed time, Unix seconds."""
    doubted_s: float = 0.0
    """For how long the server has run since it began to doubt the clock; 0 without doubt."""


class TrustedClock:
    """The wall clock, checked against the monotonic one and against what was seen before.

    A machine that starts with its clock a year ahead must not delete everything that was kept for
    a month. So a jump ahead by more than `PLAUSIBLE_S`, between two starts or in a running server,
    is doubted: nothing expires until the server has run for `GRACE_S` and the clock still says so,
    or until the clock has come back. A clock that was set back revives nothing: what was believed
    once is never earlier again.
    """

    def __init__(self, seen: Seen | None, wall: float, monotonic: float) -> None:
        """`seen` is what `state` gave when the server last ran; none for a new folder."""
        self._believed = wall if seen is None else seen.time
        self._doubted_s = 0.0 if seen is None else seen.doubted_s
        self._monotonic = monotonic
        self._wall = wall
        self.doubted = False
        """Whether nothing may be deleted for the time being."""
        self.observe(wall, monotonic)

    def observe(self, wall: float, monotonic: float) -> None:
        """Both clocks read now."""
        passed = max(0.0, monotonic - self._monotonic)
        self._monotonic, self._wall = monotonic, wall
        if wall - (self._believed + passed) <= PLAUSIBLE_S:
            self._trust(max(self._believed, wall))
            return
        self.doubted = True
        self._doubted_s += passed
        self._believed += passed
        if self._doubted_s >= GRACE_S:
            self._trust(wall)

    def _trust(self, time: float) -> None:
        self._believed, self._doubted_s, self.doubted = time, 0.0, False

    @property
    def latest(self) -> float:
        """The latest time that was ever believed, or now if that is later: Unix seconds."""
        return max(self._believed, self._wall)

    @property
    def expiry(self) -> float | None:
        """What was to be kept until then may be deleted, Unix seconds; none: nothing may."""
        return None if self.doubted else min(self._believed, self._wall)

    @property
    def state(self) -> Seen:
        """What to keep for the next start."""
        return Seen(self._believed, self._doubted_s)
