"""`livemood analyze`: the timelines of whole files."""

import io
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from livemood.batch import FileReader
from livemood.cli import options
from livemood.cli.files.analysis_table import Row, show, with_file_column
from livemood.cli.files.analysis_table import rows as table_rows
from livemood.cli.files.archive import ArchiveOptions, analyze_archive
from livemood.cli.sound_files import find, names, raw_format
from livemood.cli.terminal.output import safe_name, write_text
from livemood.engine import About, AnyModel, MonitorSettings, analyze_file
from livemood.engine.extensions import open_model
from livemood.errors import LivemoodError, UsageError
from livemood.model import Model
from livemood.sources import BlockSource, FileSource, RawFormat
from livemood.timeline.export import EXPORTS

WIDE = 200
"""Characters of a table that nobody looks at on a terminal."""
TABLE = "table"
"""The form for people: one table of all files."""


@dataclass(frozen=True)
class Result:
    """One file: its timeline, as far as it could be read, and what went wrong."""

    path: str
    text: str | None
    """The timeline in the form asked for; empty for a table."""
    failure: str | None
    rows: tuple[Row, ...] = ()


def analyze(
    files: Annotated[
        list[str],
        typer.Argument(help="Sound or video files, patterns, or - for stdin.", show_default=False),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"One of {TABLE}, {', '.join(EXPORTS)}. A table, or json with --out.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write one file each into a folder, not to stdout.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Read the sound files in folders, too.")
    ] = False,
    urls: options.Urls = False,
    track: options.Track = None,
    rate: options.RawRate = None,
    encoding: options.RawEncoding = None,
    channels: options.RawChannels = None,
    participants: options.Participants = None,
    ignore_channel: options.IgnoreChannel = None,
    jobs: Annotated[int, typer.Option(min=1, help="Files read at once.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="An archive: read what --out does not have yet.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(help="Part I of N of an archive, as 3/16.", show_default=False)
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Read an archive on a Ray cluster: auto, HOST:PORT; local starts one.",
            show_default=False,
        ),
    ] = None,
    window: options.WindowS = None,
    hop: options.HopS = None,
    use_baseline: options.UseBaseline = True,
    vad: options.Vad = "webrtc",
    model: options.ModelName = "default",
    provider: options.ProviderName = "auto",
) -> None:
    """Read sound or video files as fast as the machine allows, and say how the voices sound.

    The result is the same as listening to them. A .csv or .tsv file with a column named path, or a
    .txt file with a path a line, names many files: an archive.
    """
    archive = ArchiveOptions(shard, ray, resume)
    if form not in (None, TABLE, *EXPORTS):
        raise UsageError(f"no format is called {form!r}: use one of {TABLE}, {', '.join(EXPORTS)}")
    opened = Opening(
        track,
        raw_format(rate, encoding, channels),
        urls,
        names(participants),
    )
    wanted = archive.wanted(files)
    if wanted:
        archive.check(out, form)
    form = form or (TABLE if out is None else "json")
    found = [] if wanted else find(files, recursive=recursive)
    if out is not None:
        _make_folder(out)
    loaded = open_model(model, provider)
    settings = options.settings(window, hop, 150.0, vad, loaded, baseline=use_baseline)
    settings = settings.model_copy(update={"ignore_channels": tuple(ignore_channel or ())})
    if wanted and out is not None:
        reader = FileReader(settings, model, provider, opened.source, opened.participants)
        reader.use(loaded)
        analyze_archive(files, archive, reader, recursive=recursive, out=out, jobs=jobs)
        return
    worker = _Worker(settings, form, model, provider, opened)
    failures, rows = 0, list[Row]()
    joined = form == "csv" and out is None and len(found) > 1
    with _ProgressBar(len(found)) as bar:
        for result in _results(worker, loaded, found, jobs, bar.within):
            problems = [result.failure] if result.failure else []
            rows += result.rows
            if result.text:
                text = result.text
                if joined:
                    text = with_file_column(text, result.path, first=not failures and not bar.done)
                try:
                    _deliver(Path(result.path), text, form, out)
                except LivemoodError as error:
                    problems.append(str(error))
            for problem in problems:
                typer.echo(f"livemood: {problem}", err=True)
            failures += bool(problems)
            bar.finished()
    if form == TABLE:
        _print_table(rows, out)
    if failures:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Opening:
    """How files are opened, and who speaks in them."""

    track: int | None = None
    raw: RawFormat | None = None
    urls: bool = False
    participants: tuple[str, ...] = ()

    def source(self, path: str) -> BlockSource:
        """The file as a source. Raises `LivemoodError` if it cannot be read."""
        source: BlockSource = FileSource(path, track=self.track, raw=self.raw, urls=self.urls)
        if len(self.participants) > source.channels:
            raise UsageError(
                f"{path} has {source.channels} channel(s), but --participants names "
                f"{len(self.participants)}"
            )
        return source


@dataclass(frozen=True)
class _Worker:
    settings: MonitorSettings
    form: str
    model: str
    provider: str
    opened: Opening

    def __call__(
        self,
        path: str,
        loaded: AnyModel | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Result:
        try:
            timeline, failure = analyze_file(
                self.opened.source(path),
                loaded or _model(self.model, self.provider),
                self.settings,
                progress,
                about=About(participants=self.opened.participants),
            )
        except LivemoodError as error:
            return Result(path, None, str(error))
        fault = str(failure) if failure else None
        if self.form == TABLE:
            return Result(path, "", fault, tuple(table_rows(timeline, path)))
        return Result(path, EXPORTS[self.form](timeline), fault)


_models: dict[tuple[str, str], AnyModel] = {}


def _model(name: str, provider: str) -> AnyModel:
    """The model of this worker process, loaded once."""
    if (name, provider) not in _models:
        _models[name, provider] = open_model(name, provider)
    return _models[name, provider]


def _results(
    worker: _Worker,
    loaded: AnyModel,
    files: list[str],
    jobs: int,
    progress: Callable[[float], None],
) -> Iterator[Result]:
    """The results in the order of `files`; `progress` hears how far one alone has come."""
    if jobs == 1 or len(files) == 1:
        for path in files:
            yield worker(path, loaded, progress)
        return
    _models[worker.model, worker.provider] = loaded
    with ProcessPoolExecutor(min(jobs, len(files)), get_context(_start(loaded))) as pool:
        futures: list[tuple[str, Future[Result]]] = [(p, pool.submit(worker, p)) for p in files]
        for path, future in futures:
            try:
                yield future.result()
            except Exception as error:
                yield Result(path, None, f"{path}: the worker process failed: {error}")


def _start(loaded: AnyModel) -> str:
    """How worker processes start: forked, where that is sound, they have the model at once.

    A model on one thread of the CPU keeps no thread of its own that a fork would lose.
    """
    ours = isinstance(loaded, Model) and loaded.provider == "cpu"
    return "fork" if sys.platform == "linux" and ours else "spawn"


def _deliver(path: Path, text: str, form: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    target = out / f"{safe_name(path.name)}.{form}"
    number = 2
    while target in _written:
        target = out / f"{safe_name(path.name)}-{number}.{form}"
        number += 1
    _written.add(target)
    write_text(target, text)


_written: set[Path] = set()


def _print_table(rows: list[Row], out: Path | None) -> None:
    """The table of all files, on standard output or as one file of a folder."""
    if not rows:
        return
    if out is None:
        # A pipe has no width: nothing is cut or folded there.
        show(rows, Console() if sys.stdout.isatty() else Console(width=WIDE))
        return
    console = Console(file=io.StringIO(), record=True, width=WIDE)
    show(rows, console)
    write_text(out / "table.txt", console.export_text())


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LivemoodError(f"cannot write into {out}: {error.strerror}") from None


class _ProgressBar:
    """A progress bar on stderr, if that is a terminal."""

    def __init__(self, files: int) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("analyzing"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[done]} of {task.total:.0f} done"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("files", total=files, done=0)
        self.done = 0
        """Files that are done."""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def within(self, share: float) -> None:
        """So much of the file now being read has been read."""
        self._bar.update(self._task, completed=self.done + share)

    def finished(self) -> None:
        """A file is done."""
        self.done += 1
        self._bar.update(self._task, completed=self.done, done=self.done)
