"""Masked prediction: what is hidden of the steps of clips is told from what is left of them."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

VALUES: Final = 0.3
"""Share of the values that are hidden in all steps of an example."""
STEPS: Final = 0.15
"""Share of the steps that are hidden whole, about."""
LONGEST: Final = 3
"""Steps in a row that are hidden so."""


def hidden(present: Tensor, width: int) -> Tensor:
    """Which values of steps (batch, steps, width) are hidden, at random.

    `present` (batch, steps) says which steps there are; those that are not are never hidden. Whole
    values are, and stretches of steps (Baevski et al. 2020). A clip of one step keeps that.
    """
    batch, steps = present.shape
    values = torch.rand(batch, 1, width) < VALUES
    begins = torch.rand(batch, steps) < STEPS / LONGEST
    padded = functional.pad(begins[:, None].float(), (LONGEST - 1, 0))
    whole = functional.max_pool1d(padded, LONGEST, 1)[:, 0] > 0
    whole = whole & (present.sum(1, keepdim=True) > 1)
    return (values | whole[..., None]) & present[..., None]


class MaskedPrediction(nn.Module):
    """A linear layer that tells hidden values from the outputs of a head at each step."""

    def __init__(self, outputs: int, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(outputs, width)

    def forward(self, outputs: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Mean square error of the hidden values; 1 if nothing but their mean is known.

        `outputs` (batch, steps, outputs) are of steps with the hidden values at their mean, 0;
        `values` (batch, steps, width) have deviation 1.
        """
        told: Tensor = self.layer(outputs)
        if not bool(mask.any()):
            return told.sum() * 0.0
        return functional.mse_loss(told[mask], values[mask])
