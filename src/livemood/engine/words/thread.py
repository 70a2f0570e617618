"""The thread that reads words, so that the one that reads sound never waits for it."""

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence

from livemood.engine.extensions.fusion import Evidence, Fusion

log = logging.getLogger(__name__)

Done = Callable[[Evidence | None], None]
"""Told what a text says, or None if it could not be read; called by the thread of words."""
_Job = tuple[str, Sequence[str], Done]


class WordsThread:
    """Reads texts one after the other, at low priority. Sessions may share it.

    At most `LIMIT` texts wait: a text more is refused, not waited for. Close it when the sessions
    have ended.
    """

    LIMIT = 256
    NICE = 10

    def __init__(self, fusion: Fusion) -> None:
        self.fusion = fusion
        self._jobs: queue.Queue[_Job | None] = queue.Queue(self.LIMIT + 1)
        self._thread = threading.Thread(target=self._work, name="livemood-words", daemon=True)
        self._thread.start()

    def put(self, text: str, labels: Sequence[str], done: Done) -> bool:
        """Have `text` read for a session of `labels`; false if too many wait. Never waits."""
        if self._jobs.qsize() >= self.LIMIT:
            return False
        try:
            self._jobs.put_nowait((text, labels, done))
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Read what waits, then end; the fusion is its owner's to close."""
        self._jobs.put(None)
        self._thread.join(10.0)

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere priorities are of whole processes
            thread = threading.get_native_id()
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, thread, self.NICE)
        failed = False
        while (job := self._jobs.get()) is not None:
            text, labels, done = job
            evidence = None
            try:
                evidence = self.fusion.read(text, labels)
            except Exception as error:
                if not failed:  # once, and never the words
                    log.error("words could not be read: %s", type(error).__name__)
                failed = True
            done(evidence)
