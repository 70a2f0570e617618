"""Options that the commands for making models share.

The training wing needs the extra `train` and takes seconds to load, so it is loaded when a command
runs, and not to print its help.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from livemood.errors import LivemoodError, UsageError

FOLDS = "ravdess, speaker, group:K, corpus, column, held-out:A,B"

RecipePath = Annotated[Path, typer.Argument(help="The recipe: TOML, or JSON as runs leave it.")]
Corpora = Annotated[Path, typer.Option(help="Folder with one folder for each corpus.")]
Out = Annotated[Path, typer.Option(help="The run's folder; what was cut short goes on in it.")]
Encoders = Annotated[
    Path | None,
    typer.Option(help="Folder of pretrained encoders and runs; {fold} in it is the fold's name."),
]
OldEncoders = Annotated[Path | None, typer.Option("--sources", hidden=True)]
Cache = Annotated[Path, typer.Option(help="Where sound and features are kept from run to run.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the processor.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that change sound.")]
Folds = Annotated[str | None, typer.Option(help=FOLDS)]
Only = Annotated[
    str | None, typer.Option(help="Train these folds alone, as 1,2, and measure later.")
]
Seed = Annotated[int | None, typer.Option(help="In place of the recipe's.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE in the recipe, as fit.epochs=12; repeatable."),
]
Manifests = Annotated[list[Path], typer.Option(help="CSV of labelled clips; may be repeated.")]
LabelMap = Annotated[
    list[str] | None, typer.Option("--map", help="LABEL=LABEL, or LABEL=- to leave out.")
]
CACHE = Path("runs/cache")


@contextmanager
def wing(command: str, extra: str = "train") -> Iterator[None]:
    """What is imported inside may miss packages of an extra: that is said in one line.

    Raises `UsageError` for any command but `train` that torchrun started several times: each
    would write the same files.
    """
    if command != "train" and "RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError(f"livemood {command} runs as one process: start it without torchrun")
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("livemood"):
            raise
        raise LivemoodError(
            f"livemood {command} needs {error.name}: pip install 'livemood[{extra}]'"
        ) from None


def refuse_old(sources: Path | None) -> None:
    """Raise `UsageError` for the option that `--encoders` was before."""
    if sources is not None:
        raise UsageError("--sources is now called --encoders")


def label_map(pairs: list[str] | None) -> dict[str, str]:
    """`LABEL=LABEL` each. Raises `UsageError` for one that is not of that form."""
    return dict(pair(text) for text in pairs or ())


def pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE`. Raises `UsageError` for what is not of that form."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"{text!r} is not of the form NAME=VALUE")
    return name, value
