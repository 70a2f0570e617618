"""Keeps what sound drivers print by themselves off the terminal, and nothing else."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

NOISE: Final = (b"Expression '", b"ALSA lib ", b"Cannot connect to server ", b"jack server ")
"""How lines begin that PortAudio, ALSA and JACK write when a device goes away or is not there."""


@contextmanager
def without_driver_noise() -> Iterator[None]:
    """What C libraries write to standard error passes a filter; what Python writes does not.

    Does nothing where standard error is not a file of the system, or was put elsewhere.
    """
    if not _is_second(sys.stderr):
        yield
        return
    before = sys.stderr
    kept = os.dup(2)
    read, write = os.pipe()
    sys.stderr = os.fdopen(os.dup(kept), "w", 1, encoding=before.encoding, errors=before.errors)
    os.dup2(write, 2)
    os.close(write)
    passing = threading.Thread(target=_pass, args=(read, kept), daemon=True)
    passing.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)  # the pipe has no writer any more: what is in it is passed on
        passing.join(1.0)
        sys.stderr.close()
        sys.stderr = before
        os.close(kept)


def _is_second(stream: object) -> bool:
    with suppress(AttributeError, OSError, ValueError):
        return bool(stream.fileno() == 2)  # type: ignore[attr-defined]  # what has none is none
    return False


def _pass(read: int, kept: int) -> None:
    with os.fdopen(read, "rb") as lines, suppress(OSError):
        for line in lines:
            if not line.startswith(NOISE):
                os.write(kept, line)
