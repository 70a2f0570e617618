"""One run over an archive: what is missing is read, what comes of it is written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from livemood.batch.files import ArchiveFile
from livemood.batch.folder import ArchiveFolder
from livemood.batch.reading import Outcome


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come."""

    total: int
    """Files of this shard."""
    before: int
    """Of those, files that were read by an earlier run."""
    read: int = 0
    failed: int = 0
    """Files that could not be read, or only partly."""

    @property
    def done(self) -> int:
        """Files that nothing more is to be done for."""
        return self.before + self.read + self.failed


Engine = Callable[[list[ArchiveFile]], Iterator[Outcome]]
"""Reads files and gives what came of each, in any order."""


def read_archive(
    files: Iterable[ArchiveFile],
    folder: ArchiveFolder,
    engine: Engine,
    report: Callable[[Progress, Outcome | None], None] = lambda *_: None,
) -> Progress:
    """Read what `folder` does not have yet, and complete its tables.

    `files` are of the folder's shard. `report` is called at the beginning and after each file.
    Raises `LivemoodError` where going on makes no sense; the same call then goes on from there.
    """
    mine = folder.shard.of(files)
    missing = [file for file in mine if not folder.has(file)]
    state = Progress(len(mine), len(mine) - len(missing))
    report(state, None)
    if missing:
        outcomes = engine(missing)
        try:
            for outcome in outcomes:
                folder.take(outcome)
                failed = bool(outcome.failure)
                state = Progress(
                    state.total, state.before, state.read + (not failed), state.failed + failed
                )
                report(state, outcome)
        finally:
            folder.flush()
            close = getattr(outcomes, "close", None)
            if close:
                close()
    folder.complete(mine)
    return state
