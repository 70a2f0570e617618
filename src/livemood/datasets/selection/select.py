"""Select features inside each training fold, and measure them on the speakers left out.

What selects never sees the items that it is measured on: else noise would look telling (Ambroise &
McLachlan 2002).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livemood.datasets.selection import scores
from livemood.datasets.selection.candidates import Candidates, Names, Part, Table, prepared
from livemood.errors import UsageError

METHODS: Final = ("mutual-information", "stability", "gates", "l1-gates")
RANDOM_DRAWS: Final = 20
"""Sets of as many random features, in each fold."""
SHARE: Final = 0.25
"""Of the features that is kept if nobody says how many."""
STRENGTH: Final = 0.1
"""C of the logistic regression that measures; the same for all sets of features."""


@dataclass(frozen=True)
class Split:
    """A fold: which items are tested; the others are trained on. Masks of shape (items,)."""

    name: str
    test: NDArray[np.bool_]


def chosen_methods(name: str) -> tuple[str, ...]:
    """The methods that `name` stands for. Raises `UsageError` if there is none."""
    if name == "all":
        return METHODS
    if name not in METHODS:
        raise UsageError(f"no method is called {name!r}: use {', '.join(METHODS)} or all")
    return (name,)


def number_kept(keep: int | None, features: int, kind: str) -> int:
    """How many features to keep: a quarter by default. Raises `UsageError` for more than all."""
    if keep is None:
        return max(1, round(SHARE * features))
    if keep > features:
        raise UsageError(f"--keep {keep} is too many: there are {features} {kind}")
    return keep


def check_labels(labels: Sequence[str], splits: Sequence[Split]) -> None:
    """Raise `UsageError` where nothing can be told apart."""
    if len(kinds := sorted(set(labels))) < 2:
        raise UsageError(f"two labels or more are needed: all items are {kinds[0]!r}")
    for split in splits:
        if len(set(np.array(labels)[~split.test])) < 2:
            raise UsageError(f"fold {split.name} leaves one label only to train on")


def select(
    raw: Candidates,
    labels: Sequence[str],
    speakers: Sequence[str],
    splits: Sequence[Split],
    methods: Sequence[str],
    keep: int,
    seed: int,
    done: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Rank the features, keep the best, and measure them; JSON.

    In each fold, every method chooses `keep` features from the training part. Measured is the mean
    recall of the labels (UAR, percent) on the test part by one logistic regression: of all
    features, of those chosen, and of as many at random. `done` is told of each fold.
    """
    truth, who = np.array(labels), np.array(speakers)
    check_labels(labels, splits)
    number = len(raw.names)
    rng = np.random.default_rng(seed)
    everything: list[float] = []
    random: list[list[float]] = []
    found: dict[str, list[_Choice]] = {method: [] for method in methods}
    for count, split in enumerate(splits, start=1):
        train, test = np.flatnonzero(~split.test), np.flatnonzero(split.test)

        def measured(chosen: NDArray[np.intp], train: Any = train, test: Any = test) -> float:  # noqa: ANN401
            return uar(raw.values[:, raw.columns(chosen)], truth, train, test)

        everything.append(measured(np.arange(number)))
        random.append(
            [measured(rng.choice(number, keep, replace=False)) for _ in range(RANDOM_DRAWS)]
        )
        part = prepared(raw, train, truth, who)
        for method in methods:
            score, second = scored(part, method, keep, seed)
            order = ranked(score, second, seed)
            found[method].append(_Choice(score, order, keep, measured(order[:keep])))
        if done:
            done(count)
    by_draw = np.mean(random, axis=0)
    return {
        "items": len(labels),
        "speakers": len(set(speakers)),
        "labels": {label: int((truth == label).sum()) for label in sorted(set(labels))},
        "folds": [split.name for split in splits],
        "features": number,
        "keep": keep,
        "seed": seed,
        "stable": scores.STABLE,
        "all": _over_folds(everything),
        "random": {
            "uar": round(float(by_draw.mean()), 2),
            "draws": np.round(by_draw, 2).tolist(),
        },
        "methods": {
            method: _result(choices, raw.names, everything, by_draw)
            for method, choices in found.items()
        },
    }


def scored(part: Part, method: str, keep: int, seed: int) -> tuple[Table, Table]:
    """The score of each feature by a method, and what decides between equal ones; (features,)."""
    nothing = np.zeros(part.features)
    if method == "mutual-information":
        return scores.mutual_information(part, seed), nothing
    if method == "stability":
        return scores.stability(part, keep, seed)
    from livemood.training.evaluation.gates import l0_gates, l1_gates  # needs torch

    of: Mapping[str, Callable[[Part, int], Table]] = {
        "gates": l0_gates,
        "l1-gates": l1_gates,
    }
    return of[method](part, seed), nothing


def ranked(score: Table, second: Table, seed: int) -> NDArray[np.intp]:
    """The features from the best on. Those that are equal in both stand in a random order."""
    chance = np.random.default_rng(seed).permutation(len(score))
    order: NDArray[np.intp] = np.lexsort((chance, -second, -score))
    return order


def uar(values: Table, labels: Names, train: NDArray[np.intp], test: NDArray[np.intp]) -> float:
    """Mean recall in percent of the labels among the items `test`, learnt from those of `train`."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import recall_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000),
    ).fit(values[train], labels[train])
    truth, guess = labels[test], model.predict(values[test])
    return 100 * float(recall_score(truth, guess, labels=np.unique(truth), average="macro"))


@dataclass(frozen=True)
class _Choice:
    """What a method chose in one fold."""

    score: Table
    order: NDArray[np.intp]
    keep: int
    uar: float

    @property
    def ranks(self) -> NDArray[np.intp]:
        return np.argsort(self.order) + 1

    @property
    def kept(self) -> NDArray[np.bool_]:
        return self.ranks <= self.keep


def _over_folds(values: Sequence[float] | Table) -> dict[str, Any]:
    several = len(values) > 1
    return {
        "uar": round(float(np.mean(values)), 2),
        "error": round(float(np.std(values, ddof=1) / np.sqrt(len(values))), 2)
        if several
        else None,
        "folds": np.round(values, 2).tolist(),
    }


def _result(
    choices: Sequence[_Choice], names: Sequence[str], everything: Sequence[float], random: Table
) -> dict[str, Any]:
    own = np.array([choice.uar for choice in choices])
    rank = np.mean([choice.ranks for choice in choices], axis=0)
    score = np.mean([choice.score for choice in choices], axis=0)
    chosen = np.sum([choice.kept for choice in choices], axis=0)
    return {
        **_over_folds(own),
        "gain": _over_folds(own - np.array(everything)),
        "random_as_good": round(float(np.mean(random >= own.mean())), 2),
        "ranking": [
            {
                "feature": names[n],
                "rank": place,
                "mean_rank": round(float(rank[n]), 2),
                "score": round(float(score[n]), 4),
                "chosen": int(chosen[n]),
            }
            for place, n in enumerate(np.lexsort((rank, -chosen)), start=1)
        ],
    }
