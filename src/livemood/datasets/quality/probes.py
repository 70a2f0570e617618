"""Leaks: whether a classifier can tell the label from what should say nothing of it.

Each probe gets one kind of fact and nothing else, and is tested on speakers that it did not see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.datasets.quality.facts import Facts

Table = NDArray[np.float64]

LEAST_GAIN: Final = 0.15
"""A leak tells at least this much of what there is to tell: (UAR - chance) / (1 - chance)."""
LEAST_SIGMAS: Final = 4.0
"""And lies so many standard errors above chance."""
MOST_FOLDS: Final = 5
FEWEST: Final = 5
"""Labels with fewer items are not probed."""


@dataclass(frozen=True)
class Probe:
    """What one kind of fact tells of the label."""

    what: str
    uar: float
    """Unweighted average recall on speakers that the probe did not see."""
    chance: float
    gain: float
    sigmas: float
    leaks: bool
    why: str = ""
    """Why it was not run, if it was not."""
    truth: tuple[int, ...] = ()
    guess: tuple[int, ...] = ()


def tables(facts: Sequence[Facts]) -> dict[str, Table]:
    """What each probe sees, shape (items, columns)."""
    codec = _one_hot([f.container for f in facts])
    found = {
        "level": np.array([[f.level_db, f.peak_db] for f in facts]),
        "noise floor": np.array([[f.noise_db] for f in facts]),
        "duration": np.array([[f.duration_s] for f in facts]),
        "codec": np.hstack([codec, np.array([[f.bandwidth_hz] for f in facts])]),
        "silence": np.array([[f.lead_s, f.tail_s] for f in facts]),
    }
    for what, column in (("sentence", "text"), ("speaker", "")):
        names = [f.item.columns.get(column, "") if column else f.item.speaker for f in facts]
        if any(names):
            found[what] = _one_hot(names)
    return found


def _one_hot(names: Sequence[str]) -> Table:
    kinds = sorted(set(names))
    found = np.zeros((len(names), len(kinds)))
    found[np.arange(len(names)), [kinds.index(name) for name in names]] = 1
    return found


def folds(
    speakers: Sequence[str], labels: Sequence[str], *, across: bool
) -> list[NDArray[np.intp]]:
    """Items to test on, by fold: groups of speakers, or with `across` some of every speaker."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    who = len(set(speakers))
    fewest = min(list(labels).count(label) for label in set(labels))
    nothing = np.zeros(len(labels))
    if across or who < 2:
        split = StratifiedKFold(min(MOST_FOLDS, fewest), shuffle=True, random_state=1)
        return [test for _, test in split.split(nothing, labels)]
    grouped = StratifiedGroupKFold(min(MOST_FOLDS, who), shuffle=True, random_state=1)
    return [test for _, test in grouped.split(nothing, labels, speakers)]


def probe(what: str, table: Table, facts: Sequence[Facts], labels: Sequence[str]) -> Probe:
    """How well the columns of `table` tell the labels; see `LEAST_GAIN` for what a leak is."""
    from sklearn.ensemble import ExtraTreesClassifier

    chance = 1 / len(labels)
    if len(np.unique(table, axis=0)) == 1:
        return Probe(what, chance, chance, 0.0, 0.0, leaks=False, why="the same for all")
    truth = np.array([labels.index(f.item.label) for f in facts])
    speakers = [f.item.speaker for f in facts]
    guess = np.full(len(facts), -1)
    filled = np.nan_to_num(table, nan=-1.0)
    for test in folds(speakers, [f.item.label for f in facts], across=what == "speaker"):
        train = np.setdiff1d(np.arange(len(facts)), test)
        trees = ExtraTreesClassifier(
            60, min_samples_leaf=3, class_weight="balanced", random_state=1, n_jobs=1
        )
        guess[test] = trees.fit(filled[train], truth[train]).predict(filled[test])
    numbers = np.bincount(truth, minlength=len(labels))
    recalls = np.bincount(truth[truth == guess], minlength=len(labels)) / np.maximum(numbers, 1)
    uar = float(recalls.mean())
    error = float(np.sqrt(np.sum(chance * (1 - chance) / np.maximum(numbers, 1)))) / len(labels)
    gain, sigmas = (uar - chance) / (1 - chance), (uar - chance) / error
    leaks = gain >= LEAST_GAIN and sigmas >= LEAST_SIGMAS
    return Probe(
        what, uar, chance, gain, sigmas, leaks, "", tuple(truth.tolist()), tuple(guess.tolist())
    )


def voice_table(facts: Sequence[Facts]) -> tuple[list[str], Table]:
    """How the items sound, each feature less the mean of all and over its deviation."""
    names = list(facts[0].features)
    raw = np.array([[f.features[name] for name in names] for f in facts])
    mean = np.nanmean(raw, axis=0)
    filled = np.where(np.isfinite(raw), raw, mean)
    return names, (filled - mean) / np.maximum(filled.std(axis=0), 1e-9)


def effect_sizes(table: Table, truth: NDArray[np.intp]) -> Table:
    """Eta squared of each column: the share of its variance that lies between labels."""
    grand = table.mean(axis=0)
    between = sum(
        (truth == k).sum() * (table[truth == k].mean(axis=0) - grand) ** 2 for k in np.unique(truth)
    )
    total = np.sum((table - grand) ** 2, axis=0)
    found: Table = np.asarray(between) / np.maximum(total, 1e-12)
    return found


def cramers_v(first: Sequence[str], second: Sequence[str]) -> float:
    """Association of two names of each item, from 0 to 1, corrected for bias (Bergsma 2013)."""
    a, b = _one_hot(first), _one_hot(second)
    table = a.T @ b
    n = table.sum()
    rows, columns = table.shape
    if rows < 2 or columns < 2 or n < 2:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = float(np.sum((table - expected) ** 2 / expected) / n)
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    smaller = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(phi / smaller)) if smaller > 0 else 0.0


def counts(facts: Sequence[Facts], column: str) -> Mapping[str, Mapping[str, int]]:
    """How many items of each label there are, by a column."""
    found: dict[str, dict[str, int]] = {}
    for f in facts:
        name = f.item.speaker if column == "speaker" else f.item.columns.get(column, "")
        row = found.setdefault(name or "(none)", {})
        row[f.item.label] = row.get(f.item.label, 0) + 1
    return found
