"""Pretrained encoders: list them, rank them, learn from them (`livemood encoders`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from livemood.errors import ModelError, UsageError
from livemood.training.data.clips import Clip
from livemood.training.data.folds import check_folds, make_folds
from livemood.training.data.manifest import read_manifest
from livemood.training.data.predictions import write_soft_labels
from livemood.training.evaluation.metrics import confusion_matrix, uar
from livemood.training.run_folder import write_json


def rank_encoders(
    manifests: Sequence[Path],
    label_map: Mapping[str, str],
    folder: Path | None,
    folds: str,
    names: Sequence[str] | None,
    every: int,
    out: Path | None,
) -> None:
    """Rank encoders, best first, as a table with a recommendation."""
    from livemood.training.pretrained.probe import rank  # takes seconds to load
    from livemood.training.pretrained.registry import encoder_names

    clips = [clip for path in manifests for clip in read_manifest(path, label_map)[::every]]
    typer.echo("| encoder | UAR | ± | random | gain | ms for 3 s | parameters |")
    typer.echo("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    wanted = names if names is not None else encoder_names(folder)
    found = rank(wanted, clips, make_folds(folds, clips), folder, _say)
    typer.echo(
        f"{found['clips']} clips of {found['speakers']} speakers, {found['classes']} classes; "
        f"recommended: {found['recommended'] or 'none: no weights are seen to beat random ones'}"
    )
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, found)
    if not any("uar" in row for row in found["encoders"]):
        raise ModelError("no encoder could be measured: the reason of each stands above")


def write_probe_soft_labels(
    manifests: Sequence[Path],
    label_map: Mapping[str, str],
    names: Sequence[str],
    folder: Path | None,
    out: Path,
    folds: str,
    leave_out: Sequence[str],
    for_folds: str | None,
) -> None:
    """Write out-of-fold soft labels from probes of frozen encoders."""
    from livemood.training.pretrained.probe import embeddings, probe_soft_labels
    from livemood.training.pretrained.registry import open_encoder

    clips = [clip for path in manifests for clip in read_manifest(path, label_map)]
    clips = [clip for clip in clips if clip.speaker not in set(leave_out)]
    tables = _tables(clips, for_folds, out)
    rows = [embeddings(open_encoder(name, folder), clips) for name in names]
    for path, used in tables.items():
        own = [clips[i] for i in used]
        parts = make_folds(folds, own)
        check_folds(parts, own)
        labels = sorted({clip.label for clip in own})
        soft = probe_soft_labels([r[used] for r in rows], own, parts, labels)
        write_soft_labels(path, labels, zip(own, soft, strict=True))
        truth = np.array([labels.index(clip.label) for clip in own])
        typer.echo(f"written: {path}, UAR {100 * uar(confusion_matrix(truth, soft)):.1f} %")


def _tables(clips: list[Clip], for_folds: str | None, out: Path) -> dict[Path, list[int]]:
    """Where each table goes, and which clips it is about."""
    if for_folds is None:
        return {out: list(range(len(clips)))}
    if "{fold}" not in out.name:
        raise UsageError("--for writes a table for each fold: put {fold} into the name of --out")
    return {
        out.with_name(out.name.replace("{fold}", fold.slug)): [
            i for i, clip in enumerate(clips) if clip.speaker not in fold.speakers
        ]
        for fold in make_folds(for_folds, clips)
    }


def _say(row: dict[str, Any]) -> None:
    if "unavailable" in row:
        typer.echo(f"{row['encoder']}: {row['unavailable']}", err=True)
        return
    typer.echo(
        f"| {row['encoder']} | {row['uar']:.1f} | {row['uar_error']:.1f} | {row['uar_random']:.1f} "
        f"| {row['gain']:.1f} | {row['milliseconds']:.0f} | {row['parameters']:,} |"
    )
