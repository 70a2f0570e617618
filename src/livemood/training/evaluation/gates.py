"""Learned gates: a logistic regression that learns which features it may see (extra `train`).

Every feature has one gate, by which all of its columns are multiplied. A penalty closes gates; how
strong it is, is chosen inside the training part, by speakers that are held back there.
"""

import math
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from livemood.errors import UsageError

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1
"""Temperature and limits of the hard concrete distribution (Louizos et al. 2018)."""
L0_PENALTIES: Final = (0.001, 0.003, 0.01, 0.03)
L1_PENALTIES: Final = (0.001, 0.003, 0.01, 0.03)
"""For each feature. The least is taken that reads the speakers held back best."""
DECAY: Final = 0.003
"""Of the squared weights."""
STEPS: Final = 200
RATE: Final = 0.05

Table = NDArray[np.float64]
Names = NDArray[np.str_]


class Part(Protocol):
    """The items that gates are learnt from."""

    @property
    def values(self) -> Table:
        """Shape (items, columns), each column of mean 0 and deviation 1."""

    @property
    def group(self) -> NDArray[np.intp]:
        """The feature of each column, shape (columns,)."""

    @property
    def features(self) -> int:
        """How many there are."""

    @property
    def labels(self) -> Names:
        """Of the items."""

    @property
    def speakers(self) -> Names:
        """Of the items."""


Fit = Callable[["_Problem", float, int], tuple[Table, Table]]
"""From a problem, penalty and seed: a score of each feature, and weights (columns + 1, labels)."""


def l0_gates(part: Part, seed: int) -> Table:
    """How likely each feature's hard concrete gate is open, in [0, 1]; shape (features,)."""
    return _chosen(part, seed, _fit_l0, L0_PENALTIES)


def l1_gates(part: Part, seed: int) -> Table:
    """The size of each feature's gate under an L1 penalty, 0 if closed; shape (features,)."""
    return _chosen(part, seed, _fit_l1, L1_PENALTIES)


def _chosen(part: Part, seed: int, fit: Fit, penalties: tuple[float, ...]) -> Table:
    """The scores of all items, by the penalty that is best for speakers held back.

    Raises `UsageError` for a single speaker: nobody could be held back.
    """
    from sklearn.metrics import recall_score

    speakers = np.random.default_rng(seed).permutation(np.unique(part.speakers))
    if len(speakers) < 2:
        raise UsageError("gates need two speakers or more to train on: one is held back")
    held = np.isin(part.speakers, speakers[: max(1, len(speakers) // 4)])
    kinds, truth = np.unique(part.labels[~held]), part.labels[held]
    if len(kinds) < 2:
        raise UsageError("gates need speakers with several labels: without a few there is only one")
    read: list[float] = []
    for penalty in penalties:
        weights = fit(_Problem(part, ~held), penalty, seed)[1]
        guess = kinds[(part.values[held] @ weights[:-1] + weights[-1]).argmax(axis=1)]
        read.append(recall_score(truth, guess, labels=np.unique(truth), average="macro"))
    # The strictest of the best: with several as good, fewer features are simpler.
    best = max(p for p, uar in zip(penalties, read, strict=True) if uar >= max(read) - 1e-9)
    return fit(_Problem(part), best, seed)[0]


def _fit_l0(problem: "_Problem", penalty: float, seed: int) -> tuple[Table, Table]:
    """Hard concrete gates: of zero, one, or a value between them, drawn anew in each step."""
    log_alpha = torch.zeros(problem.features, requires_grad=True)
    optimizer = torch.optim.Adam([*problem.weights, log_alpha], lr=RATE)
    generator = torch.Generator().manual_seed(seed)
    shift = BETA * math.log(-GAMMA / ZETA)
    for _ in range(STEPS):
        noise = torch.rand(problem.features, generator=generator).clamp(1e-6, 1 - 1e-6)
        drawn = torch.sigmoid((torch.logit(noise) + log_alpha) / BETA)
        gate = (drawn * (ZETA - GAMMA) + GAMMA).clamp(0, 1)
        is_open = torch.sigmoid(log_alpha - shift)
        loss = problem.loss(gate) + penalty * is_open.sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        gate = (torch.sigmoid(log_alpha) * (ZETA - GAMMA) + GAMMA).clamp(0, 1)
        is_open = torch.sigmoid(log_alpha.double() - shift)
    return is_open.numpy(), problem.seen_through(gate)


def _fit_l1(problem: "_Problem", penalty: float, seed: int) -> tuple[Table, Table]:
    """Gates of any size, drawn to zero by the same amount in each step (proximal gradient)."""
    del seed  # nothing is drawn
    gate = torch.ones(problem.features, requires_grad=True)
    optimizer = torch.optim.Adam(problem.weights, lr=RATE)
    steps = torch.optim.SGD([gate], lr=RATE)
    for _ in range(STEPS):
        loss = problem.loss(gate)
        for one in (optimizer, steps):
            one.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for one in (optimizer, steps):
            one.step()
        with torch.no_grad():
            gate.copy_(functional.softshrink(gate, RATE * penalty))
    with torch.no_grad():
        return gate.abs().double().numpy(), problem.seen_through(gate)


class _Problem:
    """A logistic regression on columns that gates let through."""

    def __init__(self, part: Part, rows: NDArray[np.bool_] | slice = slice(None)) -> None:
        kinds, truth = np.unique(part.labels[rows], return_inverse=True)
        self.features = part.features
        self.values = torch.from_numpy(part.values[rows].astype(np.float32))
        self.truth = torch.from_numpy(truth)
        self.group = torch.from_numpy(part.group)
        numbers = np.bincount(truth)
        self.balance = torch.from_numpy((len(truth) / (len(kinds) * numbers)).astype(np.float32))
        self.matrix = torch.zeros(self.values.shape[1], len(kinds), requires_grad=True)
        self.offset = torch.zeros(len(kinds), requires_grad=True)

    @property
    def weights(self) -> list[Tensor]:
        return [self.matrix, self.offset]

    def loss(self, gate: Tensor) -> Tensor:
        """Cross-entropy, every label of the same weight, with a decay of the weights."""
        logits = (self.values * gate[self.group]) @ self.matrix + self.offset
        error = functional.cross_entropy(logits, self.truth, self.balance)
        return error + DECAY * self.matrix.square().sum()

    def seen_through(self, gate: Tensor) -> Table:
        """The weights behind the gates, the offset last."""
        with torch.no_grad():
            found = torch.cat([gate[self.group, None] * self.matrix, self.offset[None]])
        weights: Table = found.double().numpy()
        return weights
