"""Self-training: what the network is sure of in unlabelled speech becomes a label."""

import torch
from torch import Tensor


def confident(probabilities: Tensor, confidence: float) -> tuple[Tensor, Tensor, Tensor]:
    """Rows that are sure enough, their labels, and weights by which all labels count the same.

    `probabilities` are (clips, labels). The mean weight is 1; a label counts three times the mean
    at most, so that two chance finds do not outweigh the rest (Lee 2013; Zou et al. 2018). Raises
    `ValueError` if `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence lies between 0 and 1, not at {confidence:g}")
    best, label = probabilities.max(1)
    rows = torch.nonzero(best >= confidence)[:, 0]
    label = label[rows]
    if not len(rows):
        return rows, label, torch.ones(0)
    count = torch.bincount(label, minlength=probabilities.shape[1]).float()
    found = int((count > 0).sum())
    weights = (len(rows) / found / count[label]).clamp_max(3.0)
    return rows, label, weights / weights.mean()
