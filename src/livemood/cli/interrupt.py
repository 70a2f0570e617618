"""Ctrl-C while nothing has begun: the program ends at once, without a word, with exit code 130.

Imports almost nothing, since it is there for the time in which everything else is imported.
"""

import os
import signal

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


class QuietInterrupts:
    """Within it an interrupt ends the process at once.

    As an exception it could surface anywhere inside an import, where libraries turn it into errors
    of their own or swallow it. Does nothing where interrupts are ignored or handled otherwise.
    """

    def __enter__(self) -> None:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))

    def __exit__(self, *_: object) -> None:
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._before)
