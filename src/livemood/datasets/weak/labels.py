"""Labels by the words: a manifest with confidences as weights, and what was left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from livemood.datasets.acoustics.functionals import sound_of
from livemood.datasets.formats.options import Reading
from livemood.datasets.item import Item, duration_of, stretch
from livemood.datasets.weak.alignment import MOST_S, common_shift, speech_in, voice_mask
from livemood.datasets.weak.cues import READERS, Cue, read_cues
from livemood.errors import UsageError
from livemood.text.encoder import TextEncoder
from livemood.training.data.tables import table_rows

TABLES: Final = (".csv", ".tsv")
NO_SPEECH: Final = "no speech"
UNSURE: Final = "not sure"
WAS: Final = "label_was"
"""The column that keeps a label that a table has already."""
OWN: Final = ("path", "start", "end", "speaker", "text", "label", "emotion", "weight")


@dataclass(frozen=True)
class Weak:
    """What came of the words."""

    items: list[Item]
    """Labelled stretches; `weight` is the confidence, `p_LABEL` the probability of each label."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many cues were left out, by reason."""
    shifts: Mapping[Path, float] = field(default_factory=dict)
    """By how many seconds the cues of each recording were moved to later."""

    @property
    def agreement(self) -> float | None:
        """Share of items whose table had the same label already; none if no table had one."""
        known = [i for i in self.items if WAS in i.columns]
        return sum(i.label == i.columns[WAS] for i in known) / len(known) if known else None


@dataclass(frozen=True)
class _Stretch:
    """A stretch of sound with its words, before anybody read them."""

    path: Path
    speaker: str
    start: float
    end: float | None
    text: str
    columns: Mapping[str, str]


def weak_labels(
    source: Path, how: Reading, model: TextEncoder, least: float, *, align: bool = True
) -> Weak:
    """Label what the words of `source` are spoken in: a file of words, a folder of them, a table.

    Stretches whose label has a probability below `least` are left out. Raises `UsageError` with the
    place and the reason for what is wrong in the words, or if nothing is left.
    """
    left_out: Counter[str] = Counter()
    shifts: dict[Path, float] = {}
    if source.suffix.lower() in TABLES:
        found = _of_table(source, how)
    else:
        root, files = _files(source)
        found = []
        for file in files:
            found += _of_file(file, root, how, left_out, shifts, align=align)
    items = []
    if found:
        read = model.read([part.text for part in found])
        items = [
            _labelled(part, model.labels, row)
            for part, row in zip(found, read, strict=True)
            if row.max() >= least
        ]
    left_out[UNSURE] = len(found) - len(items)
    if not items:
        told = ", ".join(f"{why}: {count}" for why, count in left_out.items() if count)
        raise UsageError(f"{source}: no label is left ({told}): lower --least, or check the words")
    return Weak(items, +left_out, shifts)


def _labelled(part: _Stretch, labels: Sequence[str], row: np.ndarray) -> Item:
    shares = {f"p_{label}": f"{p:.4f}" for label, p in zip(labels, row, strict=True)}
    columns = {**part.columns, "text": part.text, "weight": f"{row.max():.4f}", **shares}
    label = labels[int(row.argmax())]
    return Item(part.path, part.speaker, label, part.start, part.end, columns)


def _files(source: Path) -> tuple[Path, list[Path]]:
    if source.is_file():
        return source.parent, [source]
    if not source.is_dir():
        raise UsageError(f"there is no {source}: check the path")
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() in READERS and p.is_file())
    if not found:
        raise UsageError(f"{source} holds no file of words: {', '.join(READERS)}")
    return source, found


def _of_file(
    file: Path,
    root: Path,
    how: Reading,
    left_out: Counter[str],
    shifts: dict[Path, float],
    *,
    align: bool,
) -> list[_Stretch]:
    cues = read_cues(file)
    path = how.sound_of(file, root)
    duration = duration_of(path)
    latest = duration + (MOST_S if align else 0.0)  # they may all come late
    if late := [cue for cue in cues if cue.start >= latest]:
        raise UsageError(
            f"{late[0].where}: it begins at {late[0].start:g} s, but {path.name} is "
            f"{duration:.2f} s long: are these the words of another recording?"
        )
    if cues[0].end is None and len(cues) == 1 and not cues[0].start:  # all of the recording
        return [_Stretch(path, how.speaker(path), 0.0, None, cues[0].text, {})]
    spans = [(c.start, duration if c.end is None else c.end) for c in cues]
    if align:
        voice = voice_mask(sound_of(Item(path, "", "")))
        shift = shifts[path] = common_shift(voice, cues)
        moved = [(a + shift, b + shift) for a, b in spans]
        walls = [(b + c) / 2 for (_, b), (c, _) in pairwise(moved)]  # half way between two cues
        edges = zip([0.0, *walls], [*walls, duration], strict=True)
        spoken = [speech_in(voice, *span, *edge) for span, edge in zip(moved, edges, strict=True)]
    else:
        spoken = [(start, min(end, duration)) for start, end in spans]
    left_out[NO_SPEECH] += spoken.count(None)
    return [
        _stretch_of(cue, path, span, duration, how)
        for cue, span in zip(cues, spoken, strict=True)
        if span is not None
    ]


def _stretch_of(
    cue: Cue, path: Path, span: tuple[float, float], duration: float, how: Reading
) -> _Stretch:
    start, end = stretch(*span, duration)
    return _Stretch(path, how.speaker(path, cue.speaker), start, end, cue.text, {})


def _of_table(table: Path, how: Reading) -> list[_Stretch]:
    """The rows of a table with the columns `path` and `text`. Rows without words are left out."""
    found = []
    for row, cells in table_rows(table, ("path", "text"), {}):
        if not cells["text"]:
            continue
        path = how.sound(cells["path"], table.parent, row)
        start, end = (_time(cells.get(name, ""), name, row) for name in ("start", "end"))
        duration = duration_of(path)
        if not (start or 0.0) < (duration if end is None else end) <= duration + 0.01:
            raise UsageError(f"{row}: start and end are no stretch of a file of {duration:.2f} s")
        others = {name: text for name, text in cells.items() if name not in OWN and text}
        if was := cells.get("label") or cells.get("emotion"):
            others[WAS] = was
        speaker = how.speaker(path, cells.get("speaker", ""))
        found.append(_Stretch(path, speaker, start or 0.0, end, cells["text"], others))
    if not found:
        raise UsageError(f"{table} has no row with text")
    return found


def _time(cell: str, name: str, row: str) -> float | None:
    if not cell:
        return None
    try:
        if (value := float(cell)) >= 0:
            return value
    except ValueError:
        pass
    raise UsageError(f"{row}: {name} is a number of seconds, not {cell!r}")
