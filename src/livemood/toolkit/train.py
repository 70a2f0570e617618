"""Recipes in, run folders out: what `livemood train` and `livemood encoders finetune` do."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from livemood.errors import LivemoodError, UsageError
from livemood.training.data.dataset import Dataset, read_dataset
from livemood.training.data.folds import Fold, make_folds
from livemood.training.distributed.processes import joined
from livemood.training.fit.trainer import Report
from livemood.training.pipeline.summary import summary
from livemood.training.pipeline.train import train_folds, train_once
from livemood.training.recipe.overrides import parse_overrides, with_overrides
from livemood.training.recipe.schema import Recipe, read_recipe
from livemood.training.run_folder import Workspace


def train(
    recipe: Path,
    overrides: Sequence[str],
    seed: int | None,
    workspace: Workspace,
    out: Path,
    folds: str | None = None,
    only: str | None = None,
) -> str:
    """Train by a recipe file, once or for each fold, and return a summary as text.

    Where torchrun started several processes, each calls this and they train together. The first
    reports and returns the summary, the others return nothing.
    """
    with joined(workspace.torch_device()) as processes:
        workspace = replace(workspace, processes=processes)
        with processes.first_alone():
            made, data, parts, names = _prepared(
                recipe, overrides, seed, workspace, out, folds, only
            )
            if made.network.kind == "streaming-encoder" and processes.count > 1:
                raise UsageError(
                    "a streaming-encoder is trained by one process: start without torchrun"
                )
        shown = progress(made.name, made.fit.epochs) if processes.first else nullcontext()
        with shown as report:
            figures: dict[str, Any] | None
            if parts is not None:
                figures = train_folds(made, data, parts, workspace, out, report, names)
            else:
                figures = train_once(made, data, workspace, out, report)
    if not processes.first:
        return ""
    if figures is None:
        return f"trained: {only}; without --only all folds are measured"
    return f"{summary(figures)}\nwritten: {out / 'figures.json'}"


def finetune(
    recipe: Path,
    overrides: Sequence[str],
    seed: int | None,
    workspace: Workspace,
    out: Path,
    folds: str | None = None,
    only: str | None = None,
) -> str:
    """Finetune the encoder that a recipe names, and return a summary as text."""
    from livemood.training.pipeline.finetune import finetune_folds, finetune_once  # loads slowly

    made, data, parts, names = _prepared(recipe, overrides, seed, workspace, out, folds, only)
    with progress(made.name, made.fit.epochs) as report:
        if parts is None:
            figures = finetune_once(made, data, workspace, out, report)
        else:
            figures = finetune_folds(made, data, parts, workspace, out, report, names)
    if figures is None:
        rest = "without --only all folds are measured" if only else "nobody is held out to measure"
        return f"finetuned: {only or out}; {rest}"
    return f"{summary(figures)}\nwritten: {out / 'figures.json'}"


def _prepared(
    recipe: Path,
    overrides: Sequence[str],
    seed: int | None,
    workspace: Workspace,
    out: Path,
    folds: str | None,
    only: str | None,
) -> tuple[Recipe, Dataset, list[Fold] | None, Sequence[str]]:
    """The recipe as it was overridden, its clips, the folds, and the names of those to train."""
    made = read_overridden(recipe, overrides, seed)
    workspace.torch_device()  # said before anything is read
    data = read_dataset(made.dataset, workspace.corpora)
    if only and not folds:
        raise UsageError("--only names folds: say which with --folds")
    make_folder(out)
    parts = None if folds is None else make_folds(folds, data.train)
    return made, data, parts, only.split(",") if only else ()


def read_overridden(recipe: Path, overrides: Sequence[str], seed: int | None) -> Recipe:
    """The recipe in a file, with the overrides of `--set` and `--seed`."""
    made = read_recipe(recipe)
    if overrides:
        made = with_overrides(made, parse_overrides(overrides))
    return made if seed is None else made.model_copy(update={"seed": seed})


def make_folder(out: Path) -> None:
    """See that `out` is there and can be written into; else `LivemoodError`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LivemoodError(f"cannot write into {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK):
        raise UsageError(f"cannot write into {out}")


@contextmanager
def progress(name: str, epochs: int) -> Iterator[Report]:
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
    task = bar.add_task(name, total=epochs)

    def report(row: dict[str, Any]) -> None:
        validation = row.get("validation_uar")
        seen = f", validation UAR {validation:.1f} %" if validation is not None else ""
        accuracy = row["accuracy"]
        right = f", right {100 * accuracy:.1f} %" if accuracy is not None else ""
        text = (
            f"epoch {row['epoch']}/{row['epochs']} loss {row['loss']:.4f}{right}{seen}, "
            f"{row['seconds']:.1f} s"
        )
        bar.update(task, completed=row["epoch"])
        console.print(text, highlight=False)

    with bar:
        yield report
