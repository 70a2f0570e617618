"""`livemood data select`: which features matter. The options."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from livemood.cli.research.options import FOLDS, LabelMap, label_map, wing
from livemood.cli.research.progress import progress
from livemood.errors import UsageError

if TYPE_CHECKING:
    from livemood.datasets.selection.candidates import Candidates
    from livemood.training.data.clips import Clip

    Measure = Callable[[Sequence[Clip], Callable[[int], None] | None], Candidates]

KINDS = ("functionals", "bands", "layers")


def select(
    manifest: Annotated[Path, typer.Argument(help="The manifest: a CSV file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the results.")],
    of: Annotated[str, typer.Option(help=f"What is selected: {', '.join(KINDS)}.")] = "functionals",
    method: Annotated[
        str,
        typer.Option(
            help="mutual-information, stability, gates, l1-gates or all (gates: extra train)."
        ),
    ] = "stability",
    keep: Annotated[
        int | None, typer.Option(min=1, help="How many to keep: a quarter if not given.")
    ] = None,
    folds: Annotated[str, typer.Option(help=FOLDS)] = "group:5",
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 1,
    encoder: Annotated[
        str | None, typer.Option(help="Whose layers: one of livemood encoders list.")
    ] = None,
    encoders: Annotated[
        Path | None, typer.Option(help="Folder of encoders and livemood models.")
    ] = None,
    map_: LabelMap = None,
) -> None:
    """Find the features that matter, chosen in training folds and measured on unseen speakers."""
    with wing("data select", "data"):
        from livemood.datasets.manifest import write_text
        from livemood.datasets.selection import select as selection
        from livemood.datasets.selection.table import figures, selection_page, verdicts
        from livemood.training.data.folds import check_folds, make_folds

        if of not in KINDS:
            raise UsageError(f"{of!r} cannot be selected: use {', '.join(KINDS)}")
        if (of == "layers") != (encoder is not None):
            raise UsageError("--of layers and --encoder NAME go together")
        methods = selection.chosen_methods(method)
        clips = _clips(manifest, label_map(map_))
        parts = make_folds(folds, clips)
        check_folds(parts, clips)
        speakers = [clip.speaker for clip in clips]
        splits = [selection.Split(f.name, np.isin(speakers, f.speakers)) for f in parts]
        labels = [clip.label for clip in clips]
        selection.check_labels(labels, splits)
    learnt = bool({"gates", "l1-gates"} & set(methods))
    with wing("data select", "train" if learnt or encoder else "data"):
        # A lack of these is told before the work, not after.
        import sklearn  # noqa: F401

        if learnt or encoder:
            from livemood.training.evaluation.gates import l0_gates  # noqa: F401
    with progress(len(clips) + len(splits)) as done:
        measure = _measure(of, encoder, encoders)
        few = measure(clips[:1], None)
        number = selection.number_kept(keep, len(few.names), of)
        raw = measure(clips, done)
        found = {"of": of} | selection.select(
            raw,
            labels,
            speakers,
            splits,
            methods,
            number,
            seed,
            done and (lambda n: done(len(clips) + n)),
        )
    write_text(out / "selection.json", json.dumps(found, indent=1) + "\n")
    write_text(out / "selection.md", selection_page(found))
    for line in figures(found) + verdicts(found):
        typer.echo(line)
    typer.echo(f"written to {out}")


def _clips(manifest: Path, names: Mapping[str, str]) -> "list[Clip]":
    """The clips of a manifest, renamed. Raises `UsageError` for a name that no clip has."""
    from livemood.training.data.manifest import DROPPED, read_manifest

    clips = read_manifest(manifest)
    if unknown := set(names) - {clip.label for clip in clips}:
        raise UsageError(f"--map {min(unknown)}: no item has that label")
    kept = [replace(clip, label=names.get(clip.label, clip.label)) for clip in clips]
    kept = [clip for clip in kept if clip.label != DROPPED]
    if not kept:
        raise UsageError("--map leaves no item")
    return kept


def _measure(of: str, encoder: str | None, encoders: Path | None) -> "Measure":
    """What makes features of clips."""
    from livemood.datasets.item import Item
    from livemood.datasets.selection import candidates

    if encoder is not None:
        from livemood.training.pretrained.probe import embeddings
        from livemood.training.pretrained.registry import open_encoder

        model = open_encoder(encoder, encoders)
        return lambda clips, _: candidates.layers(
            model.layers, embeddings(model, clips).astype(np.float64)
        )

    made = candidates.functionals if of == "functionals" else candidates.bands

    def items(clips: "Sequence[Clip]") -> list[Item]:
        return [
            Item(c.path, c.speaker, c.label, c.start, c.end, {"channel": str(c.channel)})
            for c in clips
        ]

    return lambda clips, done: made(items(clips), done)
