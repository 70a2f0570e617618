"""livemood's manifest, with all of its columns: read and written."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from livemood.datasets.item import Item, seconds
from livemood.errors import LivemoodError, UsageError
from livemood.training.data.manifest import DROPPED, NEEDED, read_manifest
from livemood.training.data.tables import table_rows

OWN: Final = ("path", "start", "end", "speaker", "label")
"""Columns that `Item` has a field for."""


def read_items(table: Path) -> list[Item]:
    """The items that a manifest lists, in its order, with the columns that training leaves out.

    Raises `UsageError` with the row and the reason for whatever `read_manifest` refuses.
    """
    clips = read_manifest(table)
    cells = [c for _, c in table_rows(table, NEEDED, {"emotion": "label"})]
    cells = [row for row in cells if row["label"] != DROPPED]
    return [
        Item(
            clip.path,
            clip.speaker,
            clip.label,
            clip.start,
            clip.end,
            {name: text for name, text in row.items() if name not in OWN and text},
        )
        for clip, row in zip(clips, cells, strict=True)
    ]


def manifest_text(items: Sequence[Item], folder: Path) -> str:
    """The manifest of `items` as it stands in `folder`: paths are relative to it."""
    others = columns_of(items)
    timed = any(not item.whole for item in items)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", *(["start", "end"] if timed else []), "speaker", "label", *others])
    for item in items:
        end = "" if item.end is None else seconds(item.end)
        times = [seconds(item.start) if item.start else "", end] if timed else []
        cells = [item.columns.get(name, "") for name in others]
        writer.writerow([relative(item.path, folder), *times, item.speaker, item.label, *cells])
    return out.getvalue()


def write_manifest(items: Sequence[Item], path: Path) -> None:
    """Write the manifest of `items`. Raises `UsageError` if there are none, or one that it cannot
    hold.
    """  # noqa: D205 - one sentence
    if not items:
        raise UsageError("there is nothing to write: no labelled stretch was found")
    for item in items:
        if item.label == DROPPED:
            raise UsageError(
                f"{item.path}: the label {DROPPED!r} means in a manifest that a row is left out: "
                f"rename it with --map {DROPPED}=NAME"
            )
    write_text(path, manifest_text(items, path.parent))


def columns_of(items: Iterable[Item]) -> list[str]:
    """The further columns that any item has, in the order in which they first appear."""
    return list(dict.fromkeys(name for item in items for name in item.columns))


def relative(path: Path, folder: Path) -> str:
    """`path` as it is written in a file of `folder`, with slashes."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def write_text(path: Path, text: str) -> None:
    """Write a file and the folders it lies in. Raises `LivemoodError` where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="")
    except OSError as error:
        raise LivemoodError(f"cannot write {path}: {error.strerror or error}") from None
