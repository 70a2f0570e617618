"""Manifests: tables that name the recordings of a corpus, one row each.

A CSV file with a header, in UTF-8 or UTF-16, with commas, semicolons or tabs. Needed are the
columns `path` (relative to the table), `speaker` and `label` (or `emotion`); these may be there:
`corpus`, `intensity`, `gender`, `language`, `channel`, `start` and `end` in seconds, `valence`,
`arousal` and `dominance` in [-1, 1], `weight`, `fold`. Tables of corpora, `metadata.csv`, are such
manifests.
"""

import logging
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath

import soundfile as sf

from livemood.errors import UsageError
from livemood.training.data.clips import Clip
from livemood.training.data.tables import table_rows

log = logging.getLogger(__name__)

NEEDED = ("path", "speaker", "label")
TEXTS = ("corpus", "gender", "language", "intensity", "fold")
NUMBERS = {
    "channel": (0, 63),
    "start": (0, math.inf),
    "end": (0, math.inf),
    "valence": (-1, 1),
    "arousal": (-1, 1),
    "dominance": (-1, 1),
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
        if not label and found:
            raise UsageError(
                f"{row}: the label {found!r} is mapped to nothing: name one, or {DROPPED!r}"
            )
        if labels is not None and label not in labels:
            raise UsageError(
                f"{row}: unknown label {found!r}: map it to one of {', '.join(labels)}, "
                f"or to {DROPPED!r} to leave it out"
            )
        clip = _clip(row, cells, label, table, corpus or table.resolve().parent.name)
        file = clip.path.stat()  # the same for links to it, and however its path is written
        key = (file.st_dev, file.st_ino, clip.channel, clip.start, clip.end)
        if key in clips:
            raise UsageError(f"{row}: the same sound as {clips[key].row.rpartition(' row ')[2]}")
        clips[key] = clip
    if not clips:
        raise UsageError(f"{table} lists no clip")
    _warn_of_case(table, clips.values(), label_map)
    return list(clips.values())


def _rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row under its name, as cells by column."""
    warned = False
    for row, cells in table_rows(table, NEEDED, {"emotion": "label"}):
        unknown = set(cells) - {*NEEDED, *TEXTS, *NUMBERS, *UNUSED}
        if unknown and not warned:
            log.warning("%s: columns not used: %s", table, ", ".join(sorted(unknown)))
        warned = True
        yield row, cells


def _missing(row: str, path: Path, cell: str) -> UsageError:
    """The error for a file that does not exist."""
    if "\\" in cell or PureWindowsPath(cell).drive:
        there = PureWindowsPath(cell)
        hint = "make it relative to the manifest" if there.drive else f"write {there.as_posix()}"
        return UsageError(f"{row}: {cell} is a path as Windows writes it: {hint}")
    return UsageError(f"{row}: no file {path}")


def _warn_of_case(table: Path, clips: Iterable[Clip], label_map: Mapping[str, str]) -> None:
    """Warn of names that differ only in case: each counts as a name of its own."""
    for kind in ("label", "speaker"):
        spelt: dict[str, dict[str, str]] = defaultdict(dict)
        for clip in clips:
            name = getattr(clip, kind)
            spelt[_folded(name)].setdefault(name, clip.row.rpartition(" ")[2])
        for names in spelt.values():
            if len(names) > 1:
                found = ", ".join(f"{name!r} (row {row})" for name, row in names.items())
                log.warning("%s: %ss that differ only in case count apart: %s", table, kind, found)
    labels = {clip.label for clip in clips}
    for old in set(label_map) - labels:
        if near := [label for label in labels if _folded(label) == _folded(old)]:
            log.warning("%s: the label map has %r, but the label is %r", table, old, near[0])


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _clip(row: str, cells: Mapping[str, str], label: str, table: Path, corpus: str) -> Clip:
    if empty := [name for name in NEEDED if not cells[name]]:
        raise UsageError(f"{row}: no {', '.join(empty)}")
    path = table.parent / cells["path"]
    if not path.is_file():
        raise _missing(row, path, cells["path"])
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
        dominance=numbers.get("dominance"),
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
