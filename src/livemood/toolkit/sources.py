"""`livemood sources`: what there is to transfer from, and what is worth it."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from livemood.errors import ModelError, UsageError
from livemood.model.features import FeatureSettings
from livemood.toolkit.train import (
    Device,
    Folds,
    Seed,
    Settings,
    make_folder,
    progress,
    read_with,
    where_of,
)
from livemood.toolkit.train import Sources as SourcesByFold
from livemood.training.data.cache import FeatureCache
from livemood.training.data.clips import Clip
from livemood.training.data.dataset import read_data, read_unlabelled
from livemood.training.data.folds import check_folds, make_folds
from livemood.training.data.manifest import read_manifest
from livemood.training.data.predictions import write_predictions
from livemood.training.evaluation.metrics import confusion_matrix, uar
from livemood.training.network.checkpoint import save_source
from livemood.training.network.dcrnn import DcRnn
from livemood.training.pipeline import summary
from livemood.training.pretrained.audio import ByolS
from livemood.training.recipe.schema import NetworkPart
from livemood.training.run_folder import use_threads, write_json

app = typer.Typer(no_args_is_help=True, add_completion=False)

CACHE = Path("runs/cache")
Sources = Annotated[Path | None, typer.Option(help="Folder of weights and livemood models.")]


@app.command("list")
def list_sources(sources: Sources = None) -> None:
    """List the source models by name."""
    from livemood.training.pretrained.registry import known  # takes seconds to load

    for name in known(sources):
        typer.echo(name)


@app.command("rank")
def rank_sources(
    manifest: Annotated[list[Path], typer.Option(help="CSV of labelled clips; may be repeated.")],
    sources: Sources = None,
    folds: Annotated[str, typer.Option(help="Validation speakers, by fold.")] = "group:4",
    only: Annotated[str | None, typer.Option(help="These sources: A,B,...")] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every so-many-th clip.")] = 1,
    label_map: Annotated[
        list[str] | None, typer.Option("--map", help="LABEL=LABEL, or LABEL=- to leave out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table here, as JSON.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Probe every available source, frozen, beside its own network with random weights."""
    from livemood.training.pretrained.probe import rank as run_rank
    from livemood.training.pretrained.registry import known

    use_threads(threads)
    pairs = dict(text.partition("=")[::2] for text in label_map or ())
    clips = [clip for path in manifest for clip in read_manifest(path, pairs)[::every]]
    names = only.split(",") if only else known(sources)
    typer.echo("| source | UAR | ± | random | gain | ms for 3 s | parameters |")
    typer.echo("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    found = run_rank(names, clips, make_folds(folds, clips), sources, _say)
    typer.echo(
        f"{found['clips']} clips of {found['speakers']} speakers, {found['classes']} classes; "
        f"recommended: {found['recommended'] or 'none: no weights are seen to beat random ones'}"
    )
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, found)
    if not any("uar" in row for row in found["sources"]):
        raise ModelError("no source could be measured: the reason of each stands above")


@app.command("teach")
def teach_by_sources(
    manifest: Annotated[list[Path], typer.Option(help="CSV of labelled clips; may be repeated.")],
    source: Annotated[str, typer.Option(help="One or several, A,B: what they say is averaged.")],
    out: Annotated[
        Path, typer.Option(help="The table, for distill.table in a recipe; {fold} with --for.")
    ],
    sources: Sources = None,
    folds: Annotated[str, typer.Option(help="Who is read by a probe of the others.")] = "group:5",
    leave_out: Annotated[
        str | None, typer.Option(help="Speakers that nothing may be learnt of: A,B,...")
    ] = None,
    for_folds: Annotated[
        str | None,
        typer.Option("--for", help="A table for each of these folds, without its speakers."),
    ] = None,
    label_map: Annotated[
        list[str] | None, typer.Option("--map", help="LABEL=LABEL, or LABEL=- to leave out.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """What frozen sources say of clips their probe never heard, for `distill.table`."""
    from livemood.training.pretrained.probe import embeddings, teach
    from livemood.training.pretrained.registry import open_source

    use_threads(threads)
    pairs = dict(text.partition("=")[::2] for text in label_map or ())
    clips = [clip for path in manifest for clip in read_manifest(path, pairs)]
    left = set((leave_out or "").split(","))
    clips = [clip for clip in clips if clip.speaker not in left]
    tables = _tables(clips, for_folds, out)
    rows = [embeddings(open_source(name, sources), clips) for name in source.split(",")]
    for path, used in tables.items():
        own = [clips[i] for i in used]
        parts = make_folds(folds, own)
        check_folds(parts, own)
        labels = sorted({clip.label for clip in own})
        said = teach([r[used] for r in rows], own, parts, labels)
        write_predictions(path, labels, zip(own, said, strict=True))
        truth = np.array([labels.index(clip.label) for clip in own])
        typer.echo(f"written: {path}, UAR {100 * uar(confusion_matrix(truth, said)):.1f} %")


@app.command("tune")
def tune_source(
    recipe: Annotated[Path, typer.Argument(help="Names the source, network.source, and the rest.")],
    corpora: Annotated[Path, typer.Option(help="Folder with one folder for each corpus.")],
    out: Annotated[Path, typer.Option(help="The run's folder; what was cut short goes on in it.")],
    folds: Folds = None,
    only: Annotated[str | None, typer.Option(help="These folds alone, as 1,2.")] = None,
    sources: SourcesByFold = None,
    cache: Annotated[Path, typer.Option(help="Where sound and maps are kept.")] = CACHE,
    seed: Seed = None,
    settings: Settings = None,
    device: Device = "auto",
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Train a source's upper layers by fold, and write what it says of clips: a teacher's table.

    Without --folds it is tuned once, on all speakers that are not held out: a source to go on from.
    """
    from livemood.training.pretrained.finetune import tune_folds, tune_once

    use_threads(threads)
    parsed = read_with(recipe, settings, seed)
    where = where_of(corpora, cache, sources, device, 0)
    make_folder(out)
    data = read_data(parsed, corpora)
    if only and not folds:
        raise UsageError("--only names folds: say which with --folds")
    names = only.split(",") if only else ()
    parts = None if folds is None else make_folds(folds, data.train)
    with progress(parsed) as report:
        if parts is None:
            figures = tune_once(parsed, data, where, out, report)
        else:
            figures = tune_folds(parsed, data, parts, where, out, report, names)
    if figures is None:
        rest = "without --only all folds are measured" if only else "nobody is held out to measure"
        typer.echo(f"tuned: {only or out}; {rest}")
        return
    typer.echo(summary(figures))
    typer.echo(f"written: {out / 'figures.json'}")


@app.command("lean")
def make_lean(
    speech: Annotated[
        Path, typer.Option(help="Folder of a corpus of speech; labels do not matter.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the lean source, for network.source.")],
    source: Annotated[str, typer.Option(help="Whose convolutions.")] = "byol-s-d512",
    rank: Annotated[int, typer.Option(min=1, help="Of the second and third convolution.")] = 32,
    steps: Annotated[int, typer.Option(min=20)] = 500,
    seed: int = 1,
    sources: Sources = None,
    cache: Annotated[Path, typer.Option(help="Where features are kept.")] = CACHE,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Factor a source's convolutions so that on speech they say what the whole ones said."""
    from livemood.training.network.initial_weights import load_source, source_scale
    from livemood.training.network.low_rank import fit_lean

    use_threads(threads)
    features = FeatureSettings()
    part = NetworkPart(source=source)
    whole = DcRnn(part, features.mels, 2)
    load_source(whole, part, features.mels, sources)
    lean = DcRnn(part.model_copy(update={"rank": rank}), features.mels, 2)
    mean, deviation = source_scale(part, sources) or (ByolS.mean, ByolS.deviation)
    kept = FeatureCache(cache, features)
    rows = [
        (np.array(kept.get(clip, 1.0), np.float32) - mean) / deviation
        for clip in read_unlabelled(speech)
    ]
    try:
        errors = fit_lean(whole.front, lean.front, rows, steps=steps, seed=seed)
    except ValueError as error:
        raise UsageError(f"{speech} holds too little speech: {error}") from None
    made = {"source": source, "rank": rank, "speech": speech.name, "steps": steps, "seed": seed}
    save_source(out, lean, made | {"error": errors})
    typer.echo(f"error of the second block {errors['second']:.3f}, third {errors['third']:.3f}")
    typer.echo(f"written: {out}")


def _tables(clips: list[Clip], for_folds: str | None, out: Path) -> dict[Path, list[int]]:
    """Where each table goes, and which clips it is about."""
    if for_folds is None:
        return {out: list(range(len(clips)))}
    if "{fold}" not in out.name:
        raise UsageError("--for writes a table for each fold: put {fold} into the name of --out")
    return {
        out.with_name(out.name.replace("{fold}", fold.name)): [
            i for i, clip in enumerate(clips) if clip.speaker not in fold.speakers
        ]
        for fold in make_folds(for_folds, clips)
    }


def _say(row: dict[str, Any]) -> None:
    if "unavailable" in row:
        typer.echo(f"{row['source']}: {row['unavailable']}", err=True)
        return
    typer.echo(
        f"| {row['source']} | {row['uar']:.1f} | {row['uar_error']:.1f} | {row['uar_random']:.1f} "
        f"| {row['gain']:.1f} | {row['milliseconds']:.0f} | {row['parameters']:,} |"
    )
