"""`livemood sources`: what there is to transfer from, and what is worth it."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from livemood.training.build import use_threads, write_json
from livemood.training.data import write_predictions
from livemood.training.manifest import read_manifest
from livemood.training.splits import check_folds, make_folds

app = typer.Typer(no_args_is_help=True, add_completion=False)

Sources = Annotated[Path | None, typer.Option(help="Folder of weights and livemood models.")]


@app.command("list")
def list_sources(sources: Sources = None) -> None:
    """List the source models by name."""
    from livemood.training.transfer.catalogue import known  # takes seconds to load

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
    from livemood.training.transfer.catalogue import known
    from livemood.training.transfer.rank import rank as run_rank

    use_threads(threads)
    pairs = dict(text.partition("=")[::2] for text in label_map or ())
    clips = [clip for path in manifest for clip in read_manifest(path, pairs)[::every]]
    names = only.split(",") if only else known(sources)
    typer.echo("| source | UAR | ± | random | gain | ms for 3 s | parameters |")
    typer.echo("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    found = run_rank(names, clips, make_folds(folds, clips), sources, _say)
    typer.echo(
        f"{found['clips']} clips of {found['speakers']} speakers, {found['classes']} classes; "
        f"recommended: {found['recommended'] or 'none: no weights beat random ones'}"
    )
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, found)


@app.command("teach")
def teach_by_sources(
    manifest: Annotated[list[Path], typer.Option(help="CSV of labelled clips; may be repeated.")],
    source: Annotated[str, typer.Option(help="One or several, A,B: their vectors side by side.")],
    out: Annotated[Path, typer.Option(help="The table, for distill.table in a recipe.")],
    sources: Sources = None,
    folds: Annotated[str, typer.Option(help="Who is read by a probe of the others.")] = "group:5",
    leave_out: Annotated[
        str | None, typer.Option(help="Speakers that nothing may be learnt of: A,B,...")
    ] = None,
    label_map: Annotated[
        list[str] | None, typer.Option("--map", help="LABEL=LABEL, or LABEL=- to leave out.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """What frozen sources say of clips their probe never heard, for `distill.table`."""
    from livemood.training.transfer.catalogue import open_source
    from livemood.training.transfer.rank import embeddings, probe, teach

    use_threads(threads)
    pairs = dict(text.partition("=")[::2] for text in label_map or ())
    clips = [clip for path in manifest for clip in read_manifest(path, pairs)]
    left = set((leave_out or "").split(","))
    clips = [clip for clip in clips if clip.speaker not in left]
    parts = make_folds(folds, clips)
    check_folds(parts, clips)
    rows = np.concatenate(
        [embeddings(open_source(name, sources), clips) for name in source.split(",")], axis=1
    )
    labels = sorted({clip.label for clip in clips})
    said = teach(rows, clips, parts, labels)
    write_predictions(out, labels, zip(clips, said, strict=True))
    typer.echo(f"UAR by fold {', '.join(f'{x:.1f}' for x in probe(rows, clips, parts))}")
    typer.echo(f"written: {out}")


def _say(row: dict[str, Any]) -> None:
    if "unavailable" in row:
        typer.echo(f"| {row['source']} | – | | | | | | {row['unavailable']}", err=True)
        return
    typer.echo(
        f"| {row['source']} | {row['uar']:.1f} | {row['uar_error']:.1f} | {row['uar_random']:.1f} "
        f"| {row['gain']:.1f} | {row['milliseconds']:.0f} | {row['parameters']:,} |"
    )
