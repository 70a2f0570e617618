"""Ctrl-C while nothing has begun: the program ends at once, without a word, with exit code 130.

Imports nothing that is not there already: it covers the time in which everything else is imported.
`_signal` is the part of `signal` that is written in C.
"""

import _signal  # type: ignore[import-not-found]
import os

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


class QuietInterrupts:
    """From `start` to `stop`, or within `with`, an interrupt ends the process at once.

    As an exception it could surface anywhere inside an import, where libraries turn it into errors
    of their own or swallow it. Does nothing where interrupts are ignored or handled otherwise.
    """

    def __init__(self) -> None:
        self._before: object = None

    def start(self) -> None:
        """End the process on an interrupt, from now on."""
        self._before = _signal.getsignal(_signal.SIGINT)
        if self._before is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, lambda *_: os._exit(INTERRUPTED))

    def stop(self) -> None:
        """Let interrupts be exceptions again, if they were before `start`."""
        if self._before is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, self._before)
        self._before = None

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


BEGINNING = QuietInterrupts()
"""From the first line of the program until the options before the command are read."""
