"""From the thread that reads sound to the one that serves."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)


class Delivery:
    """Carries calls from any thread to an event loop, many at one waking.

    Waking a loop costs whoever does it a system call, and a wait for the interpreter's lock. So as
    long as calls come, the loop looks for more by itself, every `AGAIN_S`. Before a loop is given,
    and after it has closed, calls wait or are dropped.
    """

    AGAIN_S = 0.004
    MOST_WAITING = 100_000

    def __init__(self) -> None:
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque(
            maxlen=self.MOST_WAITING
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver to `loop` from now on."""
        self._loop = loop
        self._wake()

    def call(self, function: Callable[..., None], *args: Any) -> None:  # noqa: ANN401
        """Call `function` in the loop, soon and in order. Never waits."""
        self._calls.append((function, args))
        if not self._woken:
            self._wake()

    def _wake(self) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        self._woken = True
        self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        count = len(self._calls)
        if count and self._loop is not None:
            self._loop.call_later(self.AGAIN_S, self._deliver)
        else:
            self._woken = False  # before looking again: what comes from now on wakes
            count = len(self._calls)
        for _ in range(count):
            function, args = self._calls.popleft()
            try:
                function(*args)
            except Exception:  # one session's trouble is no other's
                log.exception("an event could not be delivered")
