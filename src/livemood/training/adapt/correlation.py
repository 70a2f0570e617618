"""Correlation alignment: second moments of one domain are given to another."""

import torch
from torch import Tensor


def covariance(x: Tensor) -> Tensor:
    """Covariance (width, width) of rows (examples, width)."""
    centred = x - x.mean(0)
    return centred.T @ centred / max(1, len(x) - 1)


def coral_map(source: Tensor, target: Tensor, ridge: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """What gives `source` the mean and covariance of `target`: matrix, source mean, target mean.

    A row becomes `(row - source mean) @ matrix + target mean` (CORAL, Sun, Feng & Saenko 2016).
    Rows are (examples, width); `ridge` is added to the variances of both, as there, so that few
    examples do. Raises `ValueError` for fewer than two rows.
    """
    if min(len(source), len(target)) < 2 or source.shape[1] != target.shape[1]:
        raise ValueError("correlation alignment needs two examples of each domain, of one width")
    eye = ridge * torch.eye(source.shape[1], dtype=source.dtype)
    whiten = _power(covariance(source) + eye, -0.5)
    colour = _power(covariance(target) + eye, 0.5)
    return whiten @ colour, source.mean(0), target.mean(0)


def coral_loss(source: Tensor, target: Tensor) -> Tensor:
    """Squared distance of both covariances and means, per value (deep CORAL, Sun & Saenko 2016).

    The means are ours: a shift of the whole domain is what telephones and rooms do. Differentiable;
    rows are (examples, width).
    """
    width = source.shape[1]
    apart = (covariance(source) - covariance(target)).square().sum() / (4 * width)
    out: Tensor = apart + (source.mean(0) - target.mean(0)).square().mean()
    return out


def _power(matrix: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    out: Tensor = (vectors * values.clamp_min(1e-6).pow(power)) @ vectors.T
    return out
