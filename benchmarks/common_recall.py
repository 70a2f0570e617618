"""How often each label is recognised, counted clip by clip."""

from collections.abc import Sequence

import numpy as np


class Recall:
    """Clips counted by their label and by what was said of them.

    `confusion` has a row for each label and a column for what was said, `uncertain` last. `calm`
    counts as `neutral`: the models do not tell them apart.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = [*labels]
        self.confusion = np.zeros((len(labels), len(labels) + 1), int)

    def count(self, emotion: str, said: str) -> None:
        """Count one clip: the emotion that was acted, and the label that was said."""
        true = "neutral" if emotion == "calm" else emotion
        self.confusion[self.labels.index(true), [*self.labels, "uncertain"].index(said)] += 1

    def by_label(self) -> dict[str, float]:
        """Recall of each label that there were clips of, in percent."""
        rows = zip(self.labels, self.confusion, strict=True)
        return {
            label: 100 * float(row[i] / row.sum())
            for i, (label, row) in enumerate(rows)
            if row.sum()
        }

    def mean(self) -> float:
        """The mean of these (unweighted average recall), in percent."""
        return float(np.mean(list(self.by_label().values())))
