"""Distances between two domains that a network may learn to make small."""

from collections.abc import Callable
from typing import Final

from torch import Tensor

from livemood.training.adapt.correlation import coral_loss
from livemood.training.adapt.mean_discrepancy import mmd_loss

DISTANCES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "deep-coral": coral_loss,
    "mmd": mmd_loss,
}
"""By the name of the method."""
