"""Files read by processes of this machine."""

import signal
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from livemood.batch.files import ArchiveFile
from livemood.batch.reading import Outcome

Read = Callable[[ArchiveFile], Outcome]
AHEAD = 2
"""Files given to the pool for each process: the next one waits there already."""


def read_here(files: list[ArchiveFile], read: Read, jobs: int) -> Iterator[Outcome]:
    """What comes of `files`, in any order, read by `jobs` processes, or by this one if it is 1.

    A file that kills the process that reads it is its own failure: those that were being read
    beside it are read again, each in a process of its own.
    """
    if jobs == 1:
        yield from map(read, files)
        return
    waiting = list(reversed(files))
    while waiting:
        suspects = yield from _until_broken(waiting, read, jobs)
        for file in suspects:
            yield _alone(file, read)


def _until_broken(
    waiting: list[ArchiveFile], read: Read, jobs: int
) -> Generator[Outcome, None, list[ArchiveFile]]:
    """Read from the end of `waiting`; returns what the pool had when one of its processes died."""
    held: dict[Future[Outcome], ArchiveFile] = {}
    pool = _pool(jobs)
    try:
        while waiting or held:
            while waiting and len(held) < AHEAD * jobs:
                held[pool.submit(read, waiting[-1])] = waiting[-1]
                waiting.pop()
            for future in wait(held, return_when=FIRST_COMPLETED).done:
                outcome = future.result()
                del held[future]
                yield outcome
    except BrokenProcessPool:
        return list(held.values())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return []


def _alone(file: ArchiveFile, read: Read) -> Outcome:
    with _pool(1) as pool:
        try:
            return pool.submit(read, file).result()
        except BrokenProcessPool:
            return Outcome(file, failure=f"{file.path}: the process that read it died")


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, get_context("spawn"), _ignore_interrupts)


def _ignore_interrupts() -> None:
    """Ctrl-C is for the process that gives out the files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
