"""Maximum mean discrepancy: how far two samples are from being of one distribution."""

import torch
from torch import Tensor

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernels, as parts of the median squared distance."""


def mmd_loss(source: Tensor, target: Tensor) -> Tensor:
    """Squared maximum mean discrepancy by a mean of Gaussian kernels; about 0 if they are alike.

    The unbiased estimate (Gretton et al. 2012) with several bandwidths around the median distance
    (Long et al. 2015). Differentiable; rows are (examples, width). Raises `ValueError` for fewer
    than two rows.
    """
    if min(len(source), len(target)) < 2:
        raise ValueError("a mean discrepancy needs two examples of each domain")
    rows, n, m = torch.cat((source, target)), len(source), len(target)
    # As a sum of squares: the derivative of a distance is infinite at 0.
    squares = rows.square().sum(1)
    distances = (squares[:, None] + squares - 2 * rows @ rows.T).clamp_min(0.0)
    median = distances.detach()[~torch.eye(len(rows), dtype=torch.bool)].median().clamp_min(1e-6)
    kernel = torch.stack([(-distances / (median * b)).exp() for b in BANDWIDTHS]).mean(0)
    within = [
        (part.sum() - part.diagonal().sum()) / (k * (k - 1))
        for part, k in ((kernel[:n, :n], n), (kernel[n:, n:], m))
    ]
    return within[0] + within[1] - 2 * kernel[:n, n:].mean()
