"""Supervised contrastive learning: clips of one label are drawn together, others apart."""

import torch
from torch import Tensor
from torch.nn import functional


def contrastive_loss(values: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """The loss of Khosla et al. (2020), their L_out, over a batch: `values` (examples, width).

    `labels` (examples,) are numbers. Examples whose label nobody shares do not count; 0 if there
    are only those. Raises `ValueError` unless `temperature` is positive.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, not {temperature:g}")
    unit = functional.normalize(values, dim=1)
    alone = torch.eye(len(unit), dtype=torch.bool, device=values.device)
    near = (unit @ unit.T / temperature).masked_fill(alone, -1e9)
    same = (labels[:, None] == labels) & ~alone
    count = same.sum(1)
    if not bool(count.any()):
        return values.sum() * 0.0
    log = near.log_softmax(1)
    of_each = (log * same).sum(1) / count.clamp_min(1)
    return -of_each[count > 0].mean()
