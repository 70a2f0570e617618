"""What can be selected: columns of numbers, in groups that are taken or left as a whole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livemood.datasets.acoustics.functionals import GROUPS, sound_of, whole
from livemood.datasets.item import Item
from livemood.errors import UsageError

Table = NDArray[np.float64]
Names = NDArray[np.str_]


@dataclass(frozen=True)
class Candidates:
    """Features of the items, of which some are to be selected."""

    names: tuple[str, ...]
    """Of the features."""
    group: NDArray[np.intp]
    """For each column the feature that it belongs to, as an index of `names`; shape (columns,)."""
    values: Table
    """Shape (items, columns); NaN where something is not defined."""

    def columns(self, chosen: Sequence[int] | NDArray[np.intp]) -> NDArray[np.intp]:
        """The columns of the features with these indices."""
        return np.flatnonzero(np.isin(self.group, chosen))


@dataclass(frozen=True)
class Part:
    """What one selection may look at: the items of a training part, prepared by themselves."""

    values: Table
    """Shape (items, columns), each column of mean 0 and deviation 1, and none that is constant."""
    group: NDArray[np.intp]
    """The feature of each column, shape (columns,)."""
    features: int
    labels: Names
    speakers: Names

    def best(self, of_columns: Table) -> Table:
        """For each feature the largest of its columns' values, shape (features,); 0 for none."""
        found = np.zeros(self.features)
        np.maximum.at(found, self.group, of_columns)
        return found


def prepared(raw: Candidates, rows: NDArray[np.intp], labels: Names, speakers: Names) -> Part:
    """The items `rows` alone: gaps take the mean of their column, columns are standardised."""
    values = _filled(raw.values[rows])
    spread = values.std(axis=0)
    alive = spread > 1e-9
    values = (values[:, alive] - values[:, alive].mean(axis=0)) / spread[alive]
    return Part(values, raw.group[alive], len(raw.names), labels[rows], speakers[rows])


def _filled(values: Table) -> Table:
    """Where a number is missing, the mean of those that its column has; 0 if it has none."""
    there = np.isfinite(values)
    mean = np.where(there, values, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    filled: Table = np.where(there, values, mean)
    return filled


def functionals(items: Sequence[Item], done: Callable[[int], None] | None = None) -> Candidates:
    """Every number that `livemood data features` gives of a whole item, but the log-mel bands."""
    names, values = _measured(items, tuple(g for g in GROUPS if g != "log-mel"), done)
    return Candidates(tuple(names), np.arange(len(names)), values)


def bands(items: Sequence[Item], done: Callable[[int], None] | None = None) -> Candidates:
    """Log-mel bands. Mean and deviation over time of a band are one feature."""
    names, values = _measured(items, ("log-mel",), done)
    of_column = [name.rpartition("_")[0] for name in names]
    kinds = list(dict.fromkeys(of_column))
    group = np.array([kinds.index(name) for name in of_column])
    return Candidates(tuple(kinds), group, values)


def layers(widths: Sequence[int], embeddings: Table) -> Candidates:
    """Layers of an encoder. Mean and deviation over time of all of a layer are one feature.

    `embeddings` are (items, 2 x widths), as `PretrainedEncoder.embed` gives them.
    """
    group = np.repeat(np.arange(len(widths)), 2 * np.array(widths))
    if group.shape != embeddings.shape[1:]:
        raise ValueError(f"{embeddings.shape[1]} columns for layers of {len(group)}")
    return Candidates(
        tuple(f"layer_{n + 1}" for n in range(len(widths))), group, embeddings.astype(np.float64)
    )


def _measured(
    items: Sequence[Item], groups: tuple[str, ...], done: Callable[[int], None] | None
) -> tuple[list[str], Table]:
    rows = list(_rows(items, groups, done))
    if not rows:
        raise UsageError("the manifest has no items")
    names = list(rows[0])
    return names, np.array([[row[name] for name in names] for row in rows])


def _rows(
    items: Sequence[Item], groups: tuple[str, ...], done: Callable[[int], None] | None
) -> Iterator[dict[str, float]]:
    for number, item in enumerate(items, start=1):
        yield whole(sound_of(item), groups)
        if done:
            done(number)
