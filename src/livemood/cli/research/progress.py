"""How far a command has come, for those who look at a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A function to tell how many items are done; none where nobody looks at a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with typer.progressbar(length=total, file=sys.stderr) as bar:
        yield lambda number: bar.update(number - bar.pos)
