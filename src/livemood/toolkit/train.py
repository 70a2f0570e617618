"""`livemood train` and `livemood search`: recipes in, run folders out."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from livemood.errors import LivemoodError, UsageError
from livemood.training.data.dataset import read_data
from livemood.training.data.folds import make_folds
from livemood.training.fit.trainer import Report
from livemood.training.pipeline import summary, train_folds, train_once
from livemood.training.recipe.overrides import read_settings, with_values
from livemood.training.recipe.schema import Recipe, read_recipe
from livemood.training.run_folder import Where, use_threads

RecipePath = Annotated[Path, typer.Argument(help="The recipe: TOML, or JSON as runs leave it.")]
Corpora = Annotated[Path, typer.Option(help="Folder with one folder for each corpus.")]
Out = Annotated[Path, typer.Option(help="The run's folder; what was cut short goes on in it.")]
Sources = Annotated[
    Path | None, typer.Option(help="Folder of source models; {fold} in it is the fold's name.")
]
Cache = Annotated[Path, typer.Option(help="Where sound and features are kept from run to run.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the processor.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that change sound.")]
Folds = Annotated[
    str | None, typer.Option(help="ravdess, speaker, group:K, corpus, column, held-out:A,B")
]
Seed = Annotated[int | None, typer.Option(help="In place of the recipe's.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="PLACE=VALUE in the recipe, as fit.epochs=12; repeatable."),
]


def train(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    sources: Sources = None,
    cache: Cache = Path("runs/cache"),
    folds: Folds = None,
    only: Annotated[
        str | None, typer.Option(help="Train these folds alone, as 1,2, and measure later.")
    ] = None,
    seed: Seed = None,
    settings: Settings = None,
    device: Device = "auto",
    threads: Threads = 1,
    workers: Workers = 0,
) -> None:
    """Train by RECIPE, or once for each fold; measure on the speakers that are held out."""
    use_threads(threads)
    parsed = read_with(recipe, settings, seed)
    where = where_of(corpora, cache, sources, device, workers)
    data = read_data(parsed, corpora)
    if only and not folds:
        raise UsageError("--only names folds: say which with --folds")
    make_folder(out)
    with progress(parsed) as report:
        figures: dict[str, Any] | None
        if folds is not None:
            parts = make_folds(folds, data.train)
            names = only.split(",") if only else ()
            figures = train_folds(parsed, data, parts, where, out, report, names)
        else:
            figures = train_once(parsed, data, where, out, report)
    if figures is None:
        typer.echo(f"trained: {only}; without --only all folds are measured")
        return
    typer.echo(summary(figures))
    typer.echo(f"written: {out / 'figures.json'}")


def read_with(recipe: Path, settings: list[str] | None, seed: int | None) -> Recipe:
    """The recipe in a file with what `--set` and `--seed` say in place of its own."""
    parsed = read_recipe(recipe)
    if settings:
        parsed = with_values(parsed, read_settings(settings))
    return parsed if seed is None else parsed.model_copy(update={"seed": seed})


def search(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    sources: Sources = None,
    cache: Cache = Path("runs/cache"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes on this study.")] = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Search for a better recipe, as the part search of RECIPE says; validation speakers decide."""
    make_folder(out)
    arguments = (recipe, corpora, out, sources, cache, device, threads)
    if jobs > 1:
        beside = [
            multiprocessing.get_context("spawn").Process(
                target=_search, args=(*arguments, 100_000 * number)
            )
            for number in range(1, jobs)
        ]
        for process in beside:
            process.start()
        found = _search(*arguments)
        for process in beside:
            process.join()
    found = _search(*arguments)
    typer.echo(f"trials: {found['trials']}")
    for row in found["best"][:10]:
        cost = f", {row['multiply_adds'] / 1e6:.1f} M multiply-adds" if row["multiply_adds"] else ""
        typer.echo(f"trial {row['trial']}: {row['validation_uar']:.2f} %{cost}: {row['params']}")
    typer.echo(f"written: {out / 'best.json'}: livemood train {out / 'best.json'} trains it whole")


def _search(
    recipe: Path,
    corpora: Path,
    out: Path,
    sources: Path | None,
    cache: Path,
    device: str,
    threads: int,
    beside: int = 0,
) -> dict[str, Any]:
    from livemood.training.search import search as run_search  # takes seconds to load

    use_threads(threads)
    parsed = read_recipe(recipe)
    where = where_of(corpora, cache, sources, device, 0)
    console = Console(stderr=True)

    def report(trial: Any) -> None:  # noqa: ANN401 - Optuna's
        values = ", ".join(f"{v:.4g}" for v in trial.values or ())
        console.print(f"trial {trial.number} {trial.state.name.lower()} {values}", highlight=False)

    return run_search(parsed, read_data(parsed, corpora), where, out, report, beside)


def where_of(corpora: Path, cache: Path, sources: Path | None, device: str, workers: int) -> Where:
    """Where things are; raises `UsageError` if the device is not there."""
    where = Where(corpora, cache, sources, device, workers)
    where.torch_device()
    return where


def make_folder(out: Path) -> None:
    """See that `out` is there and can be written into; else `LivemoodError`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LivemoodError(f"cannot write into {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK):
        raise UsageError(f"cannot write into {out}")


@contextmanager
def progress(recipe: Recipe) -> Iterator[Report]:
    """Each epoch on stderr: a bar where that is a terminal, a line where it is not."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} epochs"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    task = bar.add_task(recipe.name, total=recipe.fit.epochs)

    def report(row: dict[str, Any]) -> None:
        validation = row.get("validation_uar")
        seen = f", validation UAR {validation:.1f} %" if validation is not None else ""
        text = (
            f"epoch {row['epoch']}/{row['epochs']} loss {row['loss']:.4f}, "
            f"right {100 * row['accuracy']:.1f} %{seen}, {row['seconds']:.1f} s"
        )
        bar.update(task, completed=row["epoch"])
        console.print(text, highlight=False)

    with bar:
        yield report
