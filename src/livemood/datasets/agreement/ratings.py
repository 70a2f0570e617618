"""Tables of ratings: one row a rating, or one row an item with the votes for each label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.datasets.manifest import relative
from livemood.errors import UsageError
from livemood.training.data.tables import table_rows

Counts = NDArray[np.float64]
"""Votes, shape (items, labels)."""

DIMENSIONS: Final = ("valence", "arousal", "dominance")
KEY: Final = ("path", "channel", "start", "end")
"""What names an item where no column `item` does."""


@dataclass(frozen=True)
class Votes:
    """Who chose which label for which item. One entry a vote, or `weight` votes by nobody known."""

    items: Sequence[str]
    labels: Sequence[str]
    raters: Sequence[str]
    """Empty if only the number of votes is known."""
    item: NDArray[np.intp]
    label: NDArray[np.intp]
    rater: NDArray[np.intp]
    """All 0 if nobody is known."""
    weight: NDArray[np.float64]

    @property
    def counts(self) -> Counts:
        """How many chose each label for each item, shape (items, labels)."""
        found = np.zeros((len(self.items), len(self.labels)))
        np.add.at(found, (self.item, self.label), self.weight)
        return found


@dataclass(frozen=True)
class Ratings:
    """A table of ratings."""

    votes: Votes | None
    """None if nobody chose labels."""
    values: Mapping[str, NDArray[np.float64]]
    """For each dimension what was rated, shape (items, raters), NaN where nobody did."""
    raters: Sequence[str]
    items: Sequence[str]
    known: Sequence[Mapping[str, str]]
    """The other columns of each item."""


def read_ratings(table: Path, item: str | None = None, rater: str = "rater") -> Ratings:
    """Ratings, one a row: an item, a rater, a label or numbers of valence, arousal and dominance.

    The column `item` names the item; without it, `path` and what else of `KEY` is there do. Raises
    `UsageError` with the row and the reason.
    """
    rows = list(table_rows(table, [rater], {"emotion": "label"}))
    if not rows:
        raise UsageError(f"{table} has no ratings")
    columns = list(rows[0][1])
    key = _key(table, columns, item)
    dimensions: list[str] = [name for name in DIMENSIONS if name in columns]
    if "label" not in columns and not dimensions:
        raise UsageError(
            f"{table} row 1: no column label, {', '.join(DIMENSIONS)}: what was rated?"
        )
    items: dict[str, int] = {}
    known: list[dict[str, str]] = []
    raters: dict[str, int] = {}
    seen: dict[tuple[int, int], str] = {}
    entries: list[tuple[int, int, str, list[float]]] = []
    for row, cells in rows:
        name, who = " ".join(cells[k] for k in key if cells[k]), cells[rater]
        if not name or not who:
            raise UsageError(f"{row}: no {rater if name else key[0]}")
        if name not in items:
            known.append({k: v for k, v in cells.items() if v and k not in (rater, "label")})
        number = items.setdefault(name, len(items))
        by = raters.setdefault(who, len(raters))
        if (number, by) in seen:
            there = seen[number, by].rpartition(" row ")[2]
            raise UsageError(f"{row}: {who} rated {name} in row {there} already")
        seen[number, by] = row
        numbers = [_number(cells[d], f"{row}: {d}") for d in dimensions]
        entries.append((number, by, cells.get("label", ""), numbers))
    for each in known:
        for name in (*dimensions, "weight"):
            each.pop(name, None)
        if "path" in each:
            each["path"] = str(table.parent / each["path"])
    values = {d: np.full((len(items), len(raters)), np.nan) for d in dimensions}
    for number, by, _, numbers in entries:
        for name, value in zip(dimensions, numbers, strict=True):
            values[name][number, by] = value
    chosen = [(number, by, label) for number, by, label, _ in entries if label]
    votes = None
    if chosen:
        labels = sorted({label for _, _, label in chosen})
        votes = Votes(
            list(items),
            labels,
            list(raters),
            np.array([number for number, _, _ in chosen]),
            np.array([labels.index(label) for _, _, label in chosen]),
            np.array([by for _, by, _ in chosen]),
            np.ones(len(chosen)),
        )
    return Ratings(votes, values, list(raters), list(items), known)


def read_counts(table: Path, labels: Sequence[str], item: str | None = None) -> Ratings:
    """Votes, one item a row: the column of each of `labels` says how many chose it.

    Raises `UsageError` with the row and the reason.
    """
    rows = list(table_rows(table, labels))
    if not rows:
        raise UsageError(f"{table} has no items")
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise UsageError("--counts needs the columns of two labels or more, each once: A,B")
    key = _key(table, list(rows[0][1]), item)
    counts = np.array([[_count(cells[x], f"{row}: {x}") for x in labels] for row, cells in rows])
    names = [" ".join(cells[k] for k in key if cells[k]) for _, cells in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{table}: {twice!r} stands there twice: is the item in another column?")
    where, which = np.nonzero(counts)
    nobody = np.zeros(len(where), np.intp)
    votes = Votes(names, list(labels), (), where, which, nobody, counts[where, which])
    known = [{k: cells[k] for k in key} for _, cells in rows]
    return Ratings(votes, {}, (), names, known)


def _key(table: Path, columns: Sequence[str], item: str | None) -> list[str]:
    """The columns that name an item."""
    if item is not None:
        if item not in columns:
            raise UsageError(f"{table} row 1: no column {item!r}, only {', '.join(columns)}")
        return [item]
    if "item" in columns:
        return ["item"]
    if "path" in columns:
        return [name for name in KEY if name in columns]
    raise UsageError(f"{table} row 1: no column item or path: --item says which names the item")


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell) if cell else np.nan
    except ValueError:
        raise UsageError(f"{where} must be a number, not {cell!r}") from None
    if np.isinf(value) or (cell and np.isnan(value)):
        raise UsageError(f"{where} must be a number, not {cell!r}")
    return value


def _count(cell: str, where: str) -> float:
    value = _number(cell or "0", where)
    if value < 0 or value != int(value):
        raise UsageError(f"{where} must be a number of votes, not {cell!r}")
    return value


def written(known: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What is known of an item, as it stands in a table in `folder`."""
    path = {"path": relative(Path(known["path"]), folder)} if "path" in known else {}
    return {**known, **path}
