"""Processes that give way to live sound."""

import os
from contextlib import suppress
from typing import Final

NICE: Final = 5
"""On a busy processor this still gets a quarter. With 10 it is a tenth, and who waits gives up."""


def give_way() -> None:
    """Lower the priority of this process, where the system knows one."""
    with suppress(AttributeError, OSError):
        os.nice(NICE)
