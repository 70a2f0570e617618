"""Importance weights: how much likelier each clip is in the target than where it comes from."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def principal(source: Array, target: Array, components: int) -> tuple[Array, Array]:
    """Both as standardised principal components of both, (clips, at most `components`)."""
    both = np.concatenate((source, target))
    both = (both - both.mean(0)) / (both.std(0) + 1e-6)
    _, _, directions = np.linalg.svd(both, full_matrices=False)
    out = both @ directions[:components].T
    out /= out.std(0) + 1e-6
    return out[: len(source)], out[len(source) :]


def importance_weights(source: Array, target: Array, largest: float = 5.0) -> Array:
    """The density ratio p(target) / p(source) at each row of `source`, of mean 1, (clips,).

    A logistic regression tells the two apart; by Bayes' rule its odds are the ratio (Shimodaira
    2000; Sugiyama, Suzuki & Kanamori 2012). Ratios are clipped to [1 / largest, largest]: where
    domains hardly overlap a few clips would else be all that is learnt. `source` and `target` are
    (clips, values). Raises `ValueError` if one is empty or they differ in width.
    """
    from sklearn.linear_model import LogisticRegression  # takes seconds to load

    if not (len(source) and len(target)) or source.shape[1] != target.shape[1]:
        raise ValueError("importance weights need clips of both domains, with the same values")
    rows = np.concatenate((source, target))
    truth = np.r_[np.zeros(len(source)), np.ones(len(target))]
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=300).fit(rows, truth)
    ratio = np.exp(np.clip(model.decision_function(source), -30, 30))
    clipped = np.clip(ratio, 1 / largest, largest)
    out: Array = clipped / clipped.mean()
    return out
