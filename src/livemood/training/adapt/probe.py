"""What a probe can tell of a domain from features: how much of it they still carry."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray


def probe_accuracy(
    values: NDArray[np.float64],
    domains: NDArray[np.intp],
    groups: NDArray[np.intp],
    kind: Literal["linear", "forest"] = "linear",
) -> float:
    """How often a probe names the domain right, in percent, each domain counted alike.

    `values` are (clips, width), `domains` and `groups` (clips,). The probe is tested on groups that
    it did not learn from, say speakers, in four folds; chance is 100 / domains. Raises `ValueError`
    if there is one domain alone.
    """
    from sklearn.ensemble import ExtraTreesClassifier  # takes seconds to load
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(domains)) < 2:
        raise ValueError("a probe needs clips of two domains at least")
    predicted = np.empty_like(domains)
    for learnt, tested in StratifiedGroupKFold(4).split(values, domains, groups):
        if kind == "forest":
            probe = ExtraTreesClassifier(
                100, min_samples_leaf=2, class_weight="balanced", random_state=1, n_jobs=1
            )
        else:
            probe = make_pipeline(
                StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=300)
            )
        predicted[tested] = probe.fit(values[learnt], domains[learnt]).predict(values[tested])
    return 100 * float(balanced_accuracy_score(domains, predicted))
