"""Domain-adversarial training: a classifier of domains whose gradient is turned around."""

import math
from typing import Any, cast

import torch
from torch import Tensor, nn


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
    """Two layers that tell domains apart; what they are given learns to hide them."""

    def __init__(self, width: int, domains: int, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, domains))

    def forward(self, x: Tensor, weight: float) -> Tensor:
        """Logits (examples, domains); `weight` is that of the reversed gradient."""
        out: Tensor = self.layers(reversed_gradient(x, weight))
        return out
