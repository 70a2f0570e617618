"""What raters saw, from what they said: the model of Dawid and Skene (1979)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livemood.datasets.agreement.ratings import Votes

LEAST = 1e-10
"""No probability is taken for less."""


@dataclass(frozen=True)
class TrueLabels:
    """What the model takes for true."""

    probabilities: NDArray[np.float64]
    """Of each label for each item, shape (items, labels)."""
    confusion: NDArray[np.float64]
    """What each rater says for each true label, shape (raters, true labels, said labels)."""
    prior: NDArray[np.float64]
    """How frequent each true label is, shape (labels,)."""
    rounds: int

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """How often each rater says what is true, shape (raters,)."""
        right: NDArray[np.float64] = np.einsum("rll,l->r", self.confusion, self.prior)
        return right


def dawid_skene(votes: Votes, tolerance: float = 1e-9, most: int = 500) -> TrueLabels:
    """Expectation and maximisation in turn, from the shares of votes.

    Each rater has a confusion matrix. Where only the number of votes is known, all raters have the
    same one: a mixture of multinomials. Ends when no probability moves by more than `tolerance`, or
    after `most` rounds.
    """
    counts = votes.counts
    labels, raters = len(votes.labels), max(1, len(votes.raters))
    voted = counts.sum(axis=1, keepdims=True) > 0
    truth = np.where(voted, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), 1 / labels)
    prior, confusion, number = np.empty(labels), np.empty((0, 0, 0)), 0
    for number in range(1, most + 1):  # noqa: B007 - it is what is told
        prior = truth.mean(axis=0)
        votes_cast = np.zeros((raters, labels, labels))  # what is said, then what is true
        weighted = truth[votes.item] * votes.weight[:, None]
        np.add.at(votes_cast, (votes.rater, votes.label), weighted)
        total = votes_cast.sum(axis=1, keepdims=True)
        confusion = np.divide(
            votes_cast, total, out=np.full_like(votes_cast, 1 / labels), where=total > 0
        )
        log = np.log(np.maximum(confusion, LEAST))
        evidence = np.tile(np.log(np.maximum(prior, LEAST)), (len(counts), 1))
        np.add.at(evidence, votes.item, log[votes.rater, votes.label] * votes.weight[:, None])
        evidence -= evidence.max(axis=1, keepdims=True)
        new = np.exp(evidence)
        new /= new.sum(axis=1, keepdims=True)
        moved = float(np.abs(new - truth).max())
        truth = new
        if moved < tolerance:
            break
    return TrueLabels(truth, confusion.transpose(0, 2, 1), prior, number)
