"""`livemood analyze`: the timelines of whole files."""

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

from livemood.cli import options
from livemood.cli.output import safe_name, write_text
from livemood.engine import MonitorSettings, analyze_file
from livemood.errors import LivemoodError, UsageError
from livemood.model import Model
from livemood.timeline.export import EXPORTS


@dataclass(frozen=True)
class Result:
    """One file: its timeline as text, as far as it could be read, and what went wrong."""

    path: Path
    text: str | None
    failure: str | None


def analyze(
    files: Annotated[list[Path], typer.Argument(help="Sound files.", show_default=False)],
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(EXPORTS)}.")] = "json",
    out: Annotated[
        Path | None, typer.Option(help="Write one file each into a folder, not to stdout.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Files read at once.")] = 1,
    window: options.WindowS = None,
    hop: options.HopS = None,
    use_baseline: options.UseBaseline = True,
    vad: options.Vad = "webrtc",
    model: options.ModelName = "default",
    provider: options.ProviderName = "auto",
) -> None:
    """The same as listening to each file, as fast as the machine allows."""
    if form not in EXPORTS:
        raise UsageError(f"no format is called {form!r}: use one of {', '.join(EXPORTS)}")
    if out is not None:
        _make_folder(out)
    loaded = options.load(model, provider)
    settings = options.settings(window, hop, 150.0, vad, loaded, baseline=use_baseline)
    worker = _Worker(settings, form, model, provider)
    failures = 0
    with _ProgressBar(len(files)) as bar:
        for result in _results(worker, loaded, files, jobs, bar.within):
            problems = [result.failure] if result.failure else []
            if result.text is not None:
                try:
                    _deliver(result.path, result.text, form, out)
                except LivemoodError as error:
                    problems.append(str(error))
            for problem in problems:
                typer.echo(f"livemood: {problem}", err=True)
            failures += bool(problems)
            bar.finished()
    if failures:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Worker:
    settings: MonitorSettings
    form: str
    model: str
    provider: str

    def __call__(
        self,
        path: Path,
        loaded: Model | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Result:
        try:
            timeline, failure = analyze_file(
                path, loaded or _model(self.model, self.provider), self.settings, progress
            )
        except LivemoodError as error:
            return Result(path, None, str(error))
        return Result(path, EXPORTS[self.form](timeline), str(failure) if failure else None)


_models: dict[tuple[str, str], Model] = {}


def _model(name: str, provider: str) -> Model:
    """The model of this worker process, loaded once."""
    if (name, provider) not in _models:
        _models[name, provider] = options.load(name, provider)
    return _models[name, provider]


def _results(
    worker: _Worker,
    loaded: Model,
    files: list[Path],
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
        futures: list[tuple[Path, Future[Result]]] = [(p, pool.submit(worker, p)) for p in files]
        for path, future in futures:
            try:
                yield future.result()
            except Exception as error:
                yield Result(path, None, f"{path}: the worker process failed: {error}")


def _start(loaded: Model) -> str:
    """How worker processes start: forked, where that is sound, they have the model at once.

    A model on one thread of the CPU keeps no thread of its own that a fork would lose.
    """
    return "fork" if sys.platform == "linux" and loaded.provider == "cpu" else "spawn"


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
            TextColumn("{task.completed:.1f}/{task.total:.0f} files"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("files", total=files)
        self._done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def within(self, share: float) -> None:
        """So much of the file now being read has been read."""
        self._bar.update(self._task, completed=self._done + share)

    def finished(self) -> None:
        """A file is done."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)
