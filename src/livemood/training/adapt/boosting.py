"""Instance transfer by boosting: clips that contradict the target come to count less."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def boosted_weights(
    source: tuple[Array, NDArray[np.intp]],
    target: tuple[Array, NDArray[np.intp]],
    rounds: int = 8,
) -> tuple[Array, Array]:
    """Weights of the clips of the source and of the target, together of mean 1.

    After TrAdaBoost (Dai, Yang, Xue & Yu 2007): in each round a linear classifier learns from all
    clips by their weights. Clips of the source that it gets wrong lose weight, those of the target
    gain it. Unlike there only the weights are kept, for a network to learn with once. Each side is
    (values (clips, width), labels (clips,)). Raises `ValueError` if a side is empty.
    """
    from sklearn.linear_model import LogisticRegression  # takes seconds to load

    (here, labels), (there, wanted) = source, target
    if not (len(here) and len(there)):
        raise ValueError("boosting needs labelled clips of the source and of the target")
    rows, truth = np.concatenate((here, there)), np.concatenate((labels, wanted))
    count = len(here)
    weights = np.r_[np.full(count, 1 / count), np.full(len(there), 1 / len(there))]
    less = 1 / (1 + np.sqrt(2 * np.log(count) / rounds))
    for _ in range(rounds):
        weights /= weights.sum()
        model = LogisticRegression(C=1.0, max_iter=200)
        wrong = model.fit(rows, truth, len(rows) * weights).predict(rows) != truth
        own = weights[count:]
        error = float(np.clip((own * wrong[count:]).sum() / own.sum(), 1e-3, 0.49))
        weights[:count] *= np.where(wrong[:count], less, 1.0)
        weights[count:] *= np.where(wrong[count:], (1 - error) / error, 1.0)
    weights *= len(rows) / weights.sum()
    return weights[:count], weights[count:]
