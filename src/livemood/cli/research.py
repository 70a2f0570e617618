"""`livemood train`, `search` and `evaluate`: their options.

The training wing needs the extra `train` and takes seconds to load, so it is loaded when a command
runs, and not to print its help.
"""

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
def wing(command: str) -> Iterator[None]:
    """What is imported inside may miss packages of the extra `train`: that is said in one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("livemood"):
            raise
        raise LivemoodError(
            f"livemood {command} needs {error.name}: pip install 'livemood[train]'"
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


def train(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    encoders: Encoders = None,
    cache: Cache = CACHE,
    folds: Folds = None,
    only: Only = None,
    seed: Seed = None,
    overrides: Overrides = None,
    device: Device = "auto",
    threads: Threads = 1,
    workers: Workers = 0,
    sources: OldEncoders = None,
) -> None:
    """Train a model by RECIPE, or one for each fold; measure on held-out speakers."""
    refuse_old(sources)
    with wing("train"):
        from livemood.toolkit.train import train as run
        from livemood.training.run_folder import Workspace, use_threads

    use_threads(threads)
    workspace = Workspace(corpora, cache, encoders, device, workers)
    typer.echo(run(recipe, overrides or [], seed, workspace, out, folds, only))


def search(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    encoders: Encoders = None,
    cache: Cache = CACHE,
    jobs: Annotated[int, typer.Option(min=1, help="Processes on this study.")] = 1,
    device: Device = "auto",
    threads: Threads = 1,
    sources: OldEncoders = None,
) -> None:
    """Search for a better recipe, as [search] of RECIPE says; validation speakers decide."""
    refuse_old(sources)
    with wing("search"):
        from livemood.toolkit.search import search as run
        from livemood.training.run_folder import Workspace

    typer.echo(run(recipe, Workspace(corpora, cache, encoders, device), out, threads, jobs))


def evaluate(
    manifest: Manifests,
    out: Annotated[Path, typer.Option(help="Folder for JSON, report and predictions.")],
    model: Annotated[
        str, typer.Option(help="A shipped model or a folder; {fold} in it is the fold's name.")
    ] = "default",
    map_: LabelMap = None,
    speakers: Annotated[str | None, typer.Option(help="Only these: A,B,...")] = None,
    held_out: Annotated[
        Path | None, typer.Option("--held-out-of", help="Only speakers this recipe holds out.")
    ] = None,
    folds: Folds = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="clean, mulaw, alaw, opus, noise=DB, loss=%, joined by +; repeated."),
    ] = None,
    noise: Annotated[Path | None, typer.Option(help="Folder of noise with metadata.csv.")] = None,
    noise_folds: Annotated[str, typer.Option(help="Folds of it: 4,5; all if none.")] = "",
    streaming: Annotated[bool, typer.Option(help="Conversations through the live path.")] = False,
    conversations: Annotated[int, typer.Option(min=1, help="Of each speaker.")] = 3,
    smoothing: Annotated[
        str | None, typer.Option(help="dwell_s=4,enter=0.45,...; chosen by halves if not given.")
    ] = None,
    vad: Annotated[str, typer.Option(help="Of the live path: webrtc or silero.")] = "webrtc",
    seed: Annotated[int, typer.Option(help="Of intervals, conditions and conversations.")] = 1,
    provider: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
) -> None:
    """Measure a model on labelled clips, and on conversations made of them."""
    with wing("evaluate"):
        from livemood.toolkit.evaluate import evaluate_and_write
        from livemood.toolkit.parts import Wanted, held_out_of, noise_bank, read_smoothing

    names = speakers.split(",") if speakers else []
    if held_out:
        names += held_out_of(held_out)
    wanted = Wanted(
        model=model,
        manifests=manifest,
        label_map=label_map(map_),
        speakers=names,
        folds=folds,
        conditions=condition or ["clean"],
        noise=noise_bank(noise, noise_folds) if noise else None,
        streaming=conversations if streaming else 0,
        smoothing=read_smoothing(dict(map(pair, smoothing.split(",")))) if smoothing else None,
        vad=vad,
        seed=seed,
        provider=provider,
    )
    typer.echo(evaluate_and_write(wanted, out))


OLD_COMMANDS = {"teach": "soft-labels", "tune": "finetune", "lean": "low-rank"}
"""Of `livemood sources`, what goes by another name in `livemood encoders`."""


def sources(context: typer.Context) -> None:
    """What `livemood encoders` was before."""
    words = context.args[:1]
    new = " ".join(OLD_COMMANDS.get(word, word) for word in words if not word.startswith("-"))
    old = " ".join(word for word in words if not word.startswith("-"))
    before, now = f"livemood sources {old}".strip(), f"livemood encoders {new}".strip()
    raise UsageError(f"{before} is now called {now}")
