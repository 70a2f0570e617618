"""`livemood encoders`: pretrained encoders to begin with or to learn from. The options."""

from pathlib import Path
from typing import Annotated

import typer

from livemood.cli.research.options import (
    CACHE,
    Cache,
    Corpora,
    Device,
    Folds,
    LabelMap,
    Manifests,
    OldEncoders,
    Only,
    Out,
    Overrides,
    Seed,
    Threads,
    label_map,
    refuse_old,
    wing,
)
from livemood.cli.research.options import Encoders as EncodersByFold

app = typer.Typer(no_args_is_help=True, add_completion=False)

Encoders = Annotated[Path | None, typer.Option(help="Folder of encoders and livemood models.")]


@app.callback()
def root() -> None:
    """Pretrained encoders: list them, rank them, finetune them and more (extra `train`)."""


@app.command("list")
def list_encoders(encoders: Encoders = None) -> None:
    """List the pretrained encoders by name."""
    with wing("encoders list"):
        from livemood.training.pretrained.registry import encoder_names

    for name in encoder_names(encoders):
        typer.echo(name)


@app.command("rank")
def rank_encoders(
    manifest: Manifests,
    encoders: Encoders = None,
    folds: Annotated[str, typer.Option(help="Validation speakers, by fold.")] = "group:4",
    only: Annotated[str | None, typer.Option(help="These encoders: A,B,...")] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every so-many-th clip.")] = 1,
    map_: LabelMap = None,
    out: Annotated[Path | None, typer.Option(help="Write the table here, as JSON.")] = None,
    threads: Threads = 1,
) -> None:
    """Probe every available encoder, frozen, beside its own network with random weights."""
    with wing("encoders rank"):
        from livemood.toolkit.encoders import rank_encoders as run
        from livemood.training.run_folder import use_threads

    use_threads(threads)
    names = only.split(",") if only else None
    run(manifest, label_map(map_), encoders, folds, names, every, out)


@app.command("soft-labels")
def soft_labels(
    manifest: Manifests,
    encoder: Annotated[str, typer.Option(help="One or several, A,B: their probes are averaged.")],
    out: Annotated[
        Path, typer.Option(help="The table, for distill.soft_labels; {fold} in it with --for.")
    ],
    encoders: Encoders = None,
    folds: Annotated[str, typer.Option(help="Who is read by a probe of the others.")] = "group:5",
    leave_out: Annotated[
        str | None, typer.Option(help="Speakers that nothing may be learnt of: A,B,...")
    ] = None,
    for_folds: Annotated[
        str | None,
        typer.Option("--for", help="A table for each of these folds, without its speakers."),
    ] = None,
    map_: LabelMap = None,
    threads: Threads = 1,
) -> None:
    """Soft labels of clips by probes of frozen encoders that were not trained on the clips."""
    with wing("encoders soft-labels"):
        from livemood.toolkit.encoders import write_probe_soft_labels
        from livemood.training.run_folder import use_threads

    use_threads(threads)
    left_out = leave_out.split(",") if leave_out else []
    names, pairs = encoder.split(","), label_map(map_)
    write_probe_soft_labels(manifest, pairs, names, encoders, out, folds, left_out, for_folds)


@app.command("finetune")
def finetune(
    recipe: Annotated[
        Path, typer.Argument(help="Names the encoder, network.pretrained, and the rest.")
    ],
    corpora: Corpora,
    out: Out,
    folds: Folds = None,
    only: Only = None,
    encoders: EncodersByFold = None,
    cache: Cache = CACHE,
    seed: Seed = None,
    overrides: Overrides = None,
    device: Device = "auto",
    threads: Threads = 1,
    sources: OldEncoders = None,
) -> None:
    """Train an encoder's upper layers by fold, and write its soft labels of clips.

    Without --folds it is finetuned once, on all speakers that are not held out: its folder is then
    an encoder to go on from.
    """
    refuse_old(sources)
    with wing("encoders finetune"):
        from livemood.toolkit.train import finetune as run
        from livemood.training.run_folder import Workspace, use_threads

    use_threads(threads)
    workspace = Workspace(corpora, cache, encoders, device)
    typer.echo(run(recipe, overrides or [], seed, workspace, out, folds, only))


@app.command("low-rank")
def low_rank(
    speech: Annotated[
        Path, typer.Option(help="Folder of a corpus of speech; labels do not matter.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the encoder, for network.pretrained.")],
    encoder: Annotated[str, typer.Option(help="Whose convolutions.")] = "byol-s-d512",
    rank: Annotated[int, typer.Option(min=1, help="Of the second and third convolution.")] = 32,
    steps: Annotated[int, typer.Option(min=20, help="Of the optimizer.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the examples.")] = 1,
    encoders: Encoders = None,
    cache: Cache = CACHE,
    threads: Threads = 1,
) -> None:
    """Factor an encoder's convolutions so that on speech they give what the whole ones gave."""
    with wing("encoders low-rank"):
        from livemood.toolkit.low_rank import write_low_rank
        from livemood.training.pretrained.low_rank import LowRank
        from livemood.training.run_folder import use_threads

    use_threads(threads)
    write_low_rank(LowRank(encoder, rank, steps, seed), speech, out, encoders, cache)
