"""Threads for work that waits, each kind with its own: none can use up what another needs."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")


class Pool:
    """At most `threads` calls at once; the others wait without one."""

    def __init__(self, threads: int) -> None:
        self._limiter = CapacityLimiter(threads)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """What `function` returns, called in a thread."""
        return await to_thread.run_sync(function, *args, limiter=self._limiter)


class Pools:
    """The pools of a server."""

    def __init__(self) -> None:
        self.admission = Pool(8)
        """Sessions being created and started."""
        self.history = Pool(4)
        """Events being read from disk."""
        self.uploads = Pool(2)
        """Uploaded sound being written, or erased."""
        self.exports = Pool(2)
        """Timelines being written in other formats, and reports."""
        self.alerts = Pool(2)
        """Test messages to receivers of alerts."""
