"""Domain-adversarial training: a classifier of domains whose gradient is turned around."""

import math
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

KEPT: Final = 4
"""Batches that the classifier of domains learns from: those before the one it judges."""
DRAWN: Final = 256
"""Examples of them in each of its steps."""
RATE: Final = 1e-2
"""Its learning rate."""


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:  # noqa: ANN401 - torch's context
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return -ctx.weight * given[0], None


def reversed_gradient(x: Tensor, weight: float = 1.0) -> Tensor:
    """`x` itself, but its gradient comes back times `-weight` (Ganin et al. 2016)."""
    return cast(Tensor, _Reversal.apply(x, weight))  # type: ignore[no-untyped-call]


def ramp(progress: float) -> float:
    """From 0 to nearly 1 as `progress` goes from 0 to 1: features first learn the labels."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


class DomainClassifier(nn.Module):
    """Tells domains apart by a linear layer; what it is given learns to hide them.

    It learns by an optimizer of its own, several steps for each of the network's, from examples of
    earlier batches, with a strong weight decay. One that is trained beside the network, once on
    each batch, learns the speakers of that batch by heart: the network then hides those from it,
    and every other classifier still tells the domains.
    """

    def __init__(self, width: int, domains: int, *, steps: int = 5, decay: float = 3.0) -> None:
        """`steps` for each of the network's, with a weight decay of `decay`."""
        super().__init__()
        self.layer = nn.Linear(width, domains).requires_grad_(False)  # the network's optimizer
        self._steps, self._decay = steps, decay
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Forget earlier batches: a run that goes on from a checkpoint has none either."""
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._optimizer = torch.optim.AdamW(
            self.layer.parameters(), RATE, (0.5, 0.99), weight_decay=self._decay
        )

    def forward(self, x: Tensor, domains: Tensor, weight: float) -> Tensor:
        """The loss of examples (examples, width) of `domains` (examples,), each domain alike.

        Its gradient is reversed, times `weight`. The classifier learns before that.
        """
        self._kept = [*self._kept, (x.detach(), domains)]
        if len(self._kept) > 1:
            self._learn(*(torch.cat(part) for part in zip(*self._kept[:-1], strict=True)))
        self._kept = self._kept[-KEPT:]
        return self._lost(reversed_gradient(x, weight), domains)

    @torch.enable_grad()
    def _learn(self, values: Tensor, domains: Tensor) -> None:
        self.layer.requires_grad_(True)
        for _ in range(self._steps):
            rows = torch.randint(len(values), (min(DRAWN, len(values)),))
            self._optimizer.zero_grad()
            self._lost(values[rows], domains[rows]).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        self._optimizer.zero_grad()
        self.layer.requires_grad_(False)

    def _lost(self, x: Tensor, domains: Tensor) -> Tensor:
        count = torch.bincount(domains, minlength=self.layer.out_features)
        return functional.cross_entropy(
            self.layer(x), domains, weight=1 / count.clamp_min(1).to(x.dtype)
        )
