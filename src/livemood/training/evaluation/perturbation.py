"""Adversarial perturbations: small changes that are chosen to mislead a network."""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
"""From an input to the loss of each example, (batch,), or of the one that there is."""


def fgsm(loss: Loss, x: Tensor, radius: Tensor | float) -> Tensor:
    """`x` moved by `radius` where the loss grows (fast gradient sign, Goodfellow et al. 2015)."""
    return (x + radius * _gradient(loss, x).sign()).detach()


def pgd(
    loss: Loss,
    x: Tensor,
    radius: Tensor | float,
    steps: int = 10,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`x` moved by at most `radius` a value, in `steps` from a random place (Madry et al. 2018).

    Each step goes 2.5 radii divided by `steps`. Raises `ValueError` for less than one step.
    """
    if steps < 1:
        raise ValueError(f"projected gradient descent takes at least one step, not {steps}")
    start = 2 * torch.rand(x.shape, generator=generator).to(x) - 1
    moved = start * radius
    for _ in range(steps):
        grown = moved + 2.5 / steps * radius * _gradient(loss, x + moved).sign()
        limit = torch.as_tensor(radius, dtype=x.dtype, device=x.device)
        moved = torch.minimum(torch.maximum(grown, -limit), limit)
    return (x + moved).detach()


def virtual_adversarial_loss(
    logits: Callable[[Tensor], Tensor], x: Tensor, radius: Tensor | float, tries: int = 1
) -> Tensor:
    """How far predictions move if `x` does in the worst direction (Miyato et al. 2018).

    `logits` maps `x` (batch, ...) to (batch, labels). The direction is found by `tries` power
    iterations. It is as long as random noise of deviation `radius` would be. No label is needed.
    The result is the mean Kullback-Leibler divergence; it can be learnt from.
    """
    with torch.no_grad():
        wanted = logits(x).log_softmax(1)
    direction = torch.randn_like(x)
    for _ in range(tries):
        small = (1e-2 * _unit(direction) * radius).requires_grad_()
        (direction,) = torch.autograd.grad(_divergence(wanted, logits(x + small)), small)
        direction = direction * radius  # in the scale in which all values are alike
    return _divergence(wanted, logits(x + (_unit(direction) * radius).detach()))


def radius_of(x: Tensor, snr_db: float) -> float:
    """The deviation of what lies `snr_db` below `x`."""
    return float(x.square().mean().sqrt()) * 10 ** (-snr_db / 20)


def _gradient(loss: Loss, x: Tensor) -> Tensor:
    at = x.detach().requires_grad_()
    (found,) = torch.autograd.grad(loss(at).sum(), at)
    return found


def _unit(x: Tensor) -> Tensor:
    """Of mean square 1 in each example."""
    rest = tuple(range(1, x.ndim))
    return x / x.square().mean(rest, keepdim=True).sqrt().clamp_min(1e-12)


def _divergence(wanted: Tensor, logits: Tensor) -> Tensor:
    found = logits.log_softmax(1)
    return (wanted.exp() * (wanted - found)).sum(1).mean()
