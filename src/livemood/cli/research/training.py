"""`livemood train`, `search`, `evaluate` and `train-text`."""

from pathlib import Path
from typing import Annotated

import typer

from livemood.cli.research.options import (
    CACHE,
    Cache,
    Corpora,
    Device,
    Encoders,
    Folds,
    LabelMap,
    Manifests,
    OldEncoders,
    Only,
    Out,
    Overrides,
    RecipePath,
    Seed,
    Threads,
    Workers,
    label_map,
    pair,
    refuse_old,
    wing,
)
from livemood.errors import UsageError


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
    if said := run(recipe, overrides or [], seed, workspace, out, folds, only):
        typer.echo(said)


def search(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    encoders: Encoders = None,
    cache: Cache = CACHE,
    jobs: Annotated[int, typer.Option(min=1, help="Processes on this study.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            help="A study that machines share: postgresql://USER@HOST/DATABASE, or a journal file.",
            show_default=False,
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster that searches: auto, HOST:PORT, ray://HOST:PORT or local.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    threads: Threads = 1,
    sources: OldEncoders = None,
) -> None:
    """Search for a better recipe, as its section `search` says; validation speakers decide."""
    refuse_old(sources)
    with wing("search"):
        from livemood.toolkit.search import search as run
        from livemood.training.run_folder import Workspace

    typer.echo(
        run(recipe, Workspace(corpora, cache, encoders, device), out, threads, jobs, storage, ray)
    )


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
    attack: Annotated[
        str | None, typer.Option(help="Also under attack: fgsm or pgd.", show_default=False)
    ] = None,
    attack_on: Annotated[str, typer.Option(help="What is attacked: sound or features.")] = "sound",
    attack_snr: Annotated[
        str, typer.Option(help="How far the attack lies below the clip, in dB.")
    ] = "50,40,30,20",
    explain: Annotated[
        str | None,
        typer.Option(
            help="Also which bands labels hang on: integrated-gradients, occlusion, shap; or A,B.",
            show_default=False,
        ),
    ] = None,
    encoders: Encoders = None,
    vad: Annotated[str, typer.Option(help="Of the live path: webrtc or silero.")] = "webrtc",
    reference: Annotated[
        str | None,
        typer.Option(help="Judge conversations only where webrtc or silero hears speech."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of intervals, conditions and conversations.")] = 1,
    provider: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
) -> None:
    """Measure a model on labelled clips, and on conversations made of them."""
    with wing("evaluate"):
        from livemood.toolkit.evaluate import evaluate_and_write
        from livemood.toolkit.parts import (
            Wanted,
            held_out_of,
            noise_bank,
            read_attack,
            read_explanation,
            read_smoothing,
        )

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
        attack=read_attack(attack, attack_on, attack_snr) if attack else None,
        explain=read_explanation(explain) if explain else None,
        encoders=encoders,
        vad=vad,
        reference=reference,
        seed=seed,
        provider=provider,
    )
    typer.echo(evaluate_and_write(wanted, out))


def train_text(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    encoders: Annotated[
        Path | None, typer.Option(help="Folder of pretrained text encoders.")
    ] = None,
    seed: Seed = None,
    threads: Threads = 1,
) -> None:
    """Train a model of words by RECIPE, round it to int8, measure it on sentences it never saw."""
    with wing("train-text"):
        import transformers  # noqa: F401 - the one package that only this needs

        from livemood.toolkit.train_text import train_text as run
        from livemood.training.run_folder import Workspace, use_threads

    use_threads(threads)
    typer.echo(run(recipe, seed, Workspace(corpora, CACHE, encoders, "cpu"), out))


OLD_COMMANDS = {"teach": "soft-labels", "tune": "finetune", "lean": "low-rank"}
"""Of `livemood sources`, what goes by another name in `livemood encoders`."""


def sources(context: typer.Context) -> None:
    """What `livemood encoders` was before."""
    words = context.args[:1]
    new = " ".join(OLD_COMMANDS.get(word, word) for word in words if not word.startswith("-"))
    old = " ".join(word for word in words if not word.startswith("-"))
    before, now = f"livemood sources {old}".strip(), f"livemood encoders {new}".strip()
    raise UsageError(f"{before} is now called {now}")
