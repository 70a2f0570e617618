"""`livemood analyze` of an archive: very many files, resumed, in shards, or on a Ray cluster."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.progress import TimeRemainingColumn as TimeLeft

from livemood.batch import (
    ArchiveFile,
    ArchiveFolder,
    FileReader,
    Outcome,
    Progress,
    Shard,
    is_manifest,
    read_archive,
    read_manifest,
)
from livemood.batch.processes import read_here
from livemood.batch.tables import check_parquet
from livemood.cli.sound_files import find
from livemood.errors import UsageError
from livemood.sources.opened import STDIN, is_address

LINE_EVERY_S = 60.0
"""Where nobody looks at a terminal, how often a line says how far a run has come."""


@dataclass(frozen=True)
class ArchiveOptions:
    """The options of an archive on the command line."""

    shard: str | None = None
    ray: str | None = None
    resume: bool = False

    def wanted(self, named: list[str]) -> bool:
        """Whether what was named is to be read as an archive."""
        return self.resume or bool(self.shard or self.ray) or any(map(is_manifest, named))

    def check(self, out: Path | None, form: str | None) -> None:
        """Raise `UsageError` for what makes no archive."""
        if out is None:
            raise UsageError("an archive needs a folder for its results: add --out DIR")
        if form not in (None, "json"):
            raise UsageError(
                f"an archive is written as JSON and Parquet: leave out --format {form}"
            )
        check_parquet()
        if self.shard:
            Shard.parse(self.shard)


def analyze_archive(
    named: list[str],
    options: ArchiveOptions,
    reader: FileReader,
    *,
    recursive: bool,
    out: Path,
    jobs: int,
) -> None:
    """Read what is missing in `out`, and say what came of it; exits with 1 if any file failed."""
    shard = Shard.parse(options.shard) if options.shard else Shard()
    files = list(_files(named, recursive=recursive))
    folder = ArchiveFolder(out, shard, reader.describe())
    with _Reporter() as reporter:
        state = read_archive(files, folder, _engine(options, reader, jobs), reporter)
    before = f", {state.before} were there" if state.before else ""
    noun = "file" if state.total == 1 else "files"
    typer.echo(f"{state.total} {noun} in {out}: {state.read} read{before}, {folder.failed} failed")
    if folder.failed:
        typer.echo(f"livemood: what failed, and why: {folder.failures}", err=True)
        raise typer.Exit(1)


def _engine(
    options: ArchiveOptions, reader: FileReader, jobs: int
) -> Callable[[list[ArchiveFile]], Iterator[Outcome]]:
    if options.ray is None:
        return partial(read_here, read=reader, jobs=jobs)
    from livemood.batch.on_ray import read_on_ray  # Ray itself loads when files are read

    return partial(read_on_ray, reader=reader, address=options.ray, jobs=jobs if jobs > 1 else None)


def _files(named: list[str], *, recursive: bool) -> Iterator[ArchiveFile]:
    for name in named:
        if name == STDIN:
            raise UsageError("standard input is no part of an archive: name files")
        if is_manifest(name):
            found = read_manifest(Path(name))
        else:
            found = [ArchiveFile(path, path) for path in find([name], recursive=recursive)]
        for file in found:
            # Other processes and machines have another folder to begin from.
            path = file.path if is_address(file.path) else os.path.abspath(file.path)  # noqa: PTH100
            yield ArchiveFile(file.name, path)


class _Reporter:
    """A progress bar on stderr, or a line now and then where that is no terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeLeft())
        self._live = console.is_terminal
        self._bar = Bar(TextColumn("reading"), *columns, console=console, disable=not self._live)
        self._task = self._bar.add_task("files", total=None)
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, state: Progress, outcome: Outcome | None) -> None:
        """A file is done."""
        self._bar.update(self._task, total=state.total, completed=state.done)
        if outcome is not None and outcome.failure:
            typer.echo(f"livemood: {outcome.failure}", err=True)
        now = time.monotonic()
        if not self._live and now - self._said >= LINE_EVERY_S:
            self._said = now
            typer.echo(f"{state.done} of {state.total} files, {state.failed} failed", err=True)
