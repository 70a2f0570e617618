"""Manifests: tables that name the recordings of a corpus, one row each.

A CSV file with a header. Needed are the columns `path` (relative to the table), `speaker` and
`label` (or `emotion`); these may be there: `corpus`, `intensity`, `gender`, `language`, `channel`,
`start` and `end` in seconds, `valence` and `arousal` in [-1, 1], `weight`, `fold`. Tables of
corpora, `metadata.csv`, are such manifests.
"""

import csv
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import soundfile as sf

from livemood.errors import UsageError
from livemood.training.data.clips import Clip

log = logging.getLogger(__name__)

NEEDED = ("path", "speaker", "label")
TEXTS = ("corpus", "gender", "language", "intensity", "fold")
NUMBERS = {
    "channel": (0, 63),
    "start": (0, math.inf),
    "end": (0, math.inf),
    "valence": (-1, 1),
    "arousal": (-1, 1),
    "weight": (0, math.inf),
}
"""Columns of numbers, and the range of each."""
UNUSED = {"text", "seconds", "part"}
"""Columns that corpora have and nothing here needs."""
DROPPED = "-"
"""In a label map: clips of this label are left out."""


def read_manifest(
    table: Path,
    label_map: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    corpus: str | None = None,
) -> list[Clip]:
    """The clips that `table` lists, labels renamed by `label_map`.

    `corpus` is the name of the corpus where the table does not say; by default the folder's.
    Raises `UsageError` with the row and the reason: unequal columns, a column that is missing, a
    file that is missing, a label that is not among `labels`, a number out of its range, a stretch
    outside of the file, a row that is there twice.
    """
    label_map = label_map or {}
    clips: dict[tuple[object, ...], Clip] = {}
    for row, cells in _rows(table):
        found = cells["label"]
        label = label_map.get(found, found)
        if label == DROPPED:
            continue
        if labels is not None and label not in labels:
            raise UsageError(
                f"{row}: unknown label {found!r}: map it to one of {', '.join(labels)}, "
                f"or to {DROPPED!r} to leave it out"
            )
        clip = _clip(row, cells, label, table, corpus or table.resolve().parent.name)
        key = (clip.path, clip.channel, clip.start, clip.end)
        if key in clips:
            raise UsageError(f"{row}: the same sound as {clips[key].row.rpartition(' row ')[2]}")
        clips[key] = clip
    if not clips:
        raise UsageError(f"{table} lists no clip")
    return list(clips.values())


def _rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row under its name, as cells by column."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if "label" not in header:
                header = ["label" if name == "emotion" else name for name in header]
            _check_header(table, header)
            for cells in reader:
                row = f"{table} row {reader.line_num}"
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise UsageError(
                        f"{row}: {len(cells)} columns, but the header has {len(header)}"
                    )
                yield row, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise UsageError(f"{table} is not CSV: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the manifest {table} cannot be read: {error}") from None


def _check_header(table: Path, header: Sequence[str]) -> None:
    if missing := [name for name in NEEDED if name not in header]:
        raise UsageError(f"{table} row 1: no column {', '.join(missing)}")
    if twice := {name for name in header if header.count(name) > 1}:
        raise UsageError(f"{table} row 1: the column {min(twice)} is there twice")
    if unknown := set(header) - {*NEEDED, *TEXTS, *NUMBERS, *UNUSED}:
        log.warning("%s: columns not used: %s", table, ", ".join(sorted(unknown)))


def _clip(row: str, cells: Mapping[str, str], label: str, table: Path, corpus: str) -> Clip:
    if empty := [name for name in NEEDED if not cells[name]]:
        raise UsageError(f"{row}: no {', '.join(empty)}")
    path = table.parent / cells["path"]
    if not path.is_file():
        raise UsageError(f"{row}: no file {path}")
    numbers = {name: _number(row, name, cells[name]) for name in NUMBERS if cells.get(name)}
    channel, start = int(numbers.get("channel", 0)), numbers.get("start", 0.0)
    end = numbers.get("end")
    if "channel" in numbers or "start" in numbers or end is not None:
        _check_stretch(row, path, channel, start, end)
    if not (weight := numbers.get("weight", 1.0)):
        raise UsageError(f"{row}: the weight must be above 0: leave the row out instead")
    texts = {name: cells.get(name, "") for name in TEXTS}
    return Clip(
        path=path,
        speaker=cells["speaker"],
        label=label,
        **texts | {"corpus": texts["corpus"] or corpus},
        channel=channel,
        start=start,
        end=end,
        valence=numbers.get("valence"),
        arousal=numbers.get("arousal"),
        weight=weight,
        row=row,
    )


def _number(row: str, name: str, cell: str) -> float:
    low, high = NUMBERS[name]
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (low <= value <= high and math.isfinite(value)) or (
        name == "channel" and value != int(value)
    ):
        limits = f"from {low}" + (f" to {high}" if math.isfinite(high) else "")
        raise UsageError(f"{row}: {name} must be a number {limits}, not {cell!r}")
    return value


def _check_stretch(row: str, path: Path, channel: int, start: float, end: float | None) -> None:
    try:
        info = sf.info(str(path))
    except (sf.LibsndfileError, OSError) as error:
        raise UsageError(f"{row}: {path} cannot be decoded: {error}") from None
    if channel >= info.channels:
        raise UsageError(f"{row}: channel {channel} of a file that has {info.channels}")
    last = info.duration if end is None else end
    if not start < last <= info.duration + 0.01:
        raise UsageError(
            f"{row}: from {start:g} to {last:g} s is no stretch of a file of {info.duration:.2f} s"
        )
