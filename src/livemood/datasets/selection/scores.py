"""How much each feature matters, from the items of one training part alone."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livemood.datasets.selection.candidates import Part, Table
from livemood.errors import UsageError

DRAWS: Final = 50
"""Half-samples of the speakers."""
STABLE: Final = 0.6
"""A feature is stable if it is kept in this share of the draws, or more."""
STRENGTHS: Final = tuple(float(c) for c in np.geomspace(0.5, 200, 14))
"""What is tried as C, the inverse of the penalty, as a multiple of where all weights are zero."""


def mutual_information(part: Part, seed: int) -> Table:
    """Mutual information of each feature and the label in nats, by nearest neighbours (Ross 2014).

    Shape (features,). A feature of several columns counts as much as its most telling one.
    """
    from sklearn.feature_selection import mutual_info_classif

    return part.best(mutual_info_classif(part.values, part.labels, random_state=seed))


def stability(part: Part, keep: int, seed: int, draws: int = DRAWS) -> tuple[Table, Table]:
    """The share of draws in which L1 logistic regression keeps a feature, and its mean weight.

    Both are (features,). The weight decides between features that are kept as often.

    Stability selection (Meinshausen & Bühlmann 2010). Each draw has the items of half of the
    speakers, not half of the items: what tells the voices apart, and not the label, then comes and
    goes. The penalty is the strictest that keeps `keep` features on average over the first draws.
    Raises `UsageError` if half of the speakers never have two labels.
    """
    rng = np.random.default_rng(seed)
    halves = [_half(part, rng) for _ in range(draws)]
    strength = _strength(part, halves[:5], keep)
    weights = np.array([_weights(part, half, strength) for half in halves])
    return np.mean(weights > 0, axis=0), weights.mean(axis=0)


def _strength(part: Part, halves: list[NDArray[np.intp]], keep: int) -> float:
    from sklearn.svm import l1_min_c

    least = float(l1_min_c(part.values, part.labels, loss="log"))
    for strength in STRENGTHS:
        kept = [(_weights(part, half, least * strength) > 0).sum() for half in halves]
        if np.mean(kept) >= keep:
            break
    return least * strength


def _half(part: Part, rng: np.random.Generator) -> NDArray[np.intp]:
    """Items of half of the speakers, rounded up."""
    speakers = np.unique(part.speakers)
    for _ in range(100):
        drawn = rng.permutation(speakers)[: (len(speakers) + 1) // 2]
        rows = np.flatnonzero(np.isin(part.speakers, drawn))
        if len(np.unique(part.labels[rows])) > 1:
            return rows
    raise UsageError(
        "half of the speakers have one label only: stability needs speakers with several labels"
    )


def _weights(part: Part, rows: NDArray[np.intp], strength: float) -> Table:
    """The largest weight of each feature, for any label, without its sign; shape (features,)."""
    labels = part.labels[rows]
    kinds = np.unique(labels)
    weights = np.zeros(part.values.shape[1])
    # Two labels are one question.
    for label in kinds if len(kinds) > 2 else kinds[:1]:
        fitted = _l1(strength).fit(part.values[rows], labels == label)
        weights = np.maximum(weights, np.abs(fitted.coef_[0]))
    return part.best(weights)


def _l1(strength: float) -> Any:  # noqa: ANN401 - no types there
    from sklearn.linear_model import LogisticRegression

    # scikit-learn 1.8 says "L1" by the ratio, older ones by the penalty.
    newer = LogisticRegression().penalty == "deprecated"
    how: dict[str, Any] = {"l1_ratio": 1.0} if newer else {"penalty": "l1"}
    return LogisticRegression(
        C=strength, solver="liblinear", class_weight="balanced", random_state=1, tol=1e-3, **how
    )
