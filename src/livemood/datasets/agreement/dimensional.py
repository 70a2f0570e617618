"""Agreement on numbers, valence say: CCC, ICC, alpha, and the evaluator-weighted estimator.

Ratings are of shape (items, raters), NaN where a rater did not rate an item.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.training.evaluation.metrics import ccc

Values = NDArray[np.float64]

NONE: Final = float("nan")


def alpha(values: Values) -> float:
    """Krippendorff's alpha for interval data.

    Squared differences of pairs follow from variances, so time grows with the ratings alone. The
    library that `nominal` uses compares every two values that occur: of a slider, thousands.
    """
    used = values[np.isfinite(values).sum(axis=1) >= 2]
    if not len(used) or len(np.unique(used[np.isfinite(used)])) < 2:
        return NONE
    number = np.isfinite(used).sum(axis=1)
    every = used[np.isfinite(used)]
    observed = np.sum(np.nanvar(used, axis=1) * number**2 / (number - 1)) / len(every)
    return float(1 - observed / every.var(ddof=1))


def pairwise_ccc(values: Values, shared: int = 10) -> list[float]:
    """CCC of every two raters who have at least `shared` items in common."""
    found = []
    for a, b in combinations(range(values.shape[1]), 2):
        both = np.isfinite(values[:, a]) & np.isfinite(values[:, b])
        if both.sum() >= shared:
            found.append(ccc(values[both, a], values[both, b]))
    return found


def icc(values: Values) -> Mapping[str, float]:
    """Intraclass correlations (Shrout & Fleiss 1979) by their names: `ICC(2,1)` and the like.

    Those of models 2 and 3 need items that all raters rated; they are NaN where fewer than two are.
    Model 1 takes unequal numbers of raters, by the mean number of Donner & Koval (1980).
    """
    found = {f"ICC({model},{k})": NONE for model in (1, 2, 3) for k in ("1", "k")}
    found |= _one_way(values[np.isfinite(values).sum(axis=1) >= 1])
    complete = values[np.isfinite(values).all(axis=1)]
    if len(complete) >= 2 and complete.shape[1] >= 2:
        found |= _two_way(complete)
    return found


def _one_way(values: Values) -> dict[str, float]:
    there = np.isfinite(values)
    number = there.sum(axis=1)
    items, total = len(values), int(number.sum())
    if items < 2 or total <= items:
        return {}
    means = np.nansum(values, axis=1) / number
    grand = np.nansum(values) / total
    between = float((number * (means - grand) ** 2).sum() / (items - 1))
    within = float(np.nansum((values - means[:, None]) ** 2) / (total - items))
    raters = (total - float((number**2).sum()) / total) / (items - 1)
    return {
        "ICC(1,1)": _ratio(between - within, between + (raters - 1) * within),
        "ICC(1,k)": _ratio(between - within, between),
    }


def _two_way(values: Values) -> dict[str, float]:
    items, raters = values.shape
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    grand = values.mean()
    between = float(raters * ((rows - grand) ** 2).sum() / (items - 1))
    judges = float(items * ((columns - grand) ** 2).sum() / (raters - 1))
    rest = values - rows[:, None] - columns[None] + grand
    error = float((rest**2).sum() / ((items - 1) * (raters - 1)))
    bias = raters * (judges - error) / items
    return {
        "ICC(2,1)": _ratio(between - error, between + (raters - 1) * error + bias),
        "ICC(2,k)": _ratio(between - error, between + (judges - error) / items),
        "ICC(3,1)": _ratio(between - error, between + (raters - 1) * error),
        "ICC(3,k)": _ratio(between - error, between),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else NONE


def evaluator_weights(values: Values) -> Values:
    """How much each rater counts in the estimator: correlation with the mean of all raters.

    Shape (raters,). A rater who runs against the others, or says the same of everything, counts
    nothing (Grimm & Kroschel 2005).
    """
    there = np.isfinite(values)
    means = np.nansum(values, axis=1) / np.maximum(there.sum(axis=1), 1)
    found = np.zeros(values.shape[1])
    for rater in range(values.shape[1]):
        own = there[:, rater]
        x, y = values[own, rater], means[own]
        if own.sum() >= 2 and x.std() > 0 and y.std() > 0:
            found[rater] = max(0.0, float(np.corrcoef(x, y)[0, 1]))
    return found


def evaluator_weighted(values: Values) -> Values:
    """The evaluator-weighted estimator of each item, shape (items,); NaN where none counts."""
    weights = np.where(np.isfinite(values), evaluator_weights(values), 0.0)
    total = weights.sum(axis=1)
    summed = np.nansum(np.where(np.isfinite(values), values, 0.0) * weights, axis=1)
    found: Values = np.divide(summed, total, out=np.full(len(values), NONE), where=total > 0)
    return found
