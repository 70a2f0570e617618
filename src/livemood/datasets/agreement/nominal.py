"""Agreement on labels: Krippendorff's alpha, Fleiss' kappa, Cohen's kappa, single raters."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from livemood.datasets.agreement.ratings import Counts, Votes

RESAMPLED = 200


@dataclass(frozen=True)
class RaterAgreement:
    """How one rater's labels relate to those of the others."""

    rater: str
    ratings: int
    agreement: float
    """Share of ratings that are the label which most of the others chose; ties do not count."""
    kappa: float
    """Cohen's kappa with that label."""
    accuracy: float = float("nan")
    """How often the rater says the label that Dawid and Skene's model takes for true."""


def alpha(counts: Counts) -> float:
    """Krippendorff's alpha for nominal data (Krippendorff 2011); NaN where it is not defined."""
    import krippendorff

    used = counts[counts.sum(axis=1) >= 2]
    if not len(used) or np.count_nonzero(used.sum(axis=0)) < 2:
        return float("nan")
    return float(krippendorff.alpha(value_counts=used, level_of_measurement="nominal"))


def alpha_interval(counts: Counts, seed: int = 1) -> tuple[float, float]:
    """The middle 95 % of alpha over items drawn anew, with replacement."""
    rng = np.random.default_rng(seed)
    drawn = [alpha(counts[rng.integers(len(counts), size=len(counts))]) for _ in range(RESAMPLED)]
    if not np.isfinite(drawn).any():
        return float("nan"), float("nan")
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def fleiss_kappa(counts: Counts) -> float:
    """Fleiss' kappa (1971); for unequal numbers of raters as Gwet (2014) extends it.

    Each item counts alike: chance is the mean over items of the share of each label, agreement the
    mean over items that two or more rated.
    """
    number = counts.sum(axis=1)
    counts, number = counts[number > 0], number[number > 0]
    several = number >= 2
    if not several.any():
        return float("nan")
    pairs = (counts**2).sum(axis=1) - number
    observed = float(np.mean(pairs[several] / (number * (number - 1))[several]))
    chance = float(((counts / number[:, None]).mean(axis=0) ** 2).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")


def majority(counts: Counts) -> NDArray[np.intp]:
    """The label that most chose, for each item; -1 where there is a tie, or no vote."""
    best = counts.argmax(axis=1)
    tied = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(tied, -1, best)


def cohen_kappa(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    """Cohen's kappa (1960) of two raters' labels of the same items."""
    size = int(max(first.max(initial=0), second.max(initial=0))) + 1
    table = np.zeros((size, size))
    np.add.at(table, (first, second), 1)
    if not (total := table.sum()):
        return float("nan")
    observed = np.trace(table) / total
    chance = float(table.sum(axis=0) @ table.sum(axis=1)) / total**2
    return float((observed - chance) / (1 - chance)) if chance < 1 else float("nan")


def pairwise_kappas(votes: Votes, shared: int = 10) -> Iterator[tuple[str, str, int, float]]:
    """Cohen's kappa of every two raters who have at least `shared` items in common."""
    chosen = _chosen(votes)
    for a, b in combinations(range(len(votes.raters)), 2):
        both = (chosen[a] >= 0) & (chosen[b] >= 0)
        if (number := int(both.sum())) >= shared:
            kappa = cohen_kappa(chosen[a][both], chosen[b][both])
            yield votes.raters[a], votes.raters[b], number, kappa


def rater_agreement(votes: Votes, accuracies: NDArray[np.float64]) -> list[RaterAgreement]:
    """Each rater beside what most of the others chose. `accuracies` by rater, of Dawid-Skene."""
    counts, chosen = votes.counts, _chosen(votes)
    found = []
    for number, rater in enumerate(votes.raters):
        there = np.flatnonzero(chosen[number] >= 0)
        own = chosen[number][there]
        others = counts[there].copy()
        others[np.arange(len(there)), own] -= 1
        most = np.where(others.sum(axis=1) > 0, majority(others), -1)
        clear = most >= 0
        agreement = float(np.mean(own[clear] == most[clear])) if clear.any() else float("nan")
        kappa = cohen_kappa(own[clear], most[clear])
        found.append(RaterAgreement(rater, len(there), agreement, kappa, float(accuracies[number])))
    return found


def _chosen(votes: Votes) -> NDArray[np.intp]:
    """What each rater chose, shape (raters, items); -1 where nothing."""
    found = np.full((len(votes.raters), len(votes.items)), -1, np.intp)
    found[votes.rater, votes.item] = votes.label
    return found
