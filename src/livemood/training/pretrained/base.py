"""What all pretrained encoders have in common."""

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from livemood.errors import ModelError


class PretrainedEncoder(nn.Module, ABC):
    """A network that turns sound into vectors, layer by layer."""

    sample_rate: int
    """Samples a second that it takes."""
    frames_per_second: float
    """Vectors a second that its last layer gives."""
    layers: tuple[int, ...]
    """Width of each layer that it gives, from the bottom to the top."""

    @property
    def embedding(self) -> int:
        """Values in a vector of its last layer."""
        return self.layers[-1]

    @abstractmethod
    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Sound (batch, samples) in [-1, 1] to maps (batch, rows in time, ...) between the layers.

        These layers stay as they are when the encoder is finetuned. Beside the maps, what each of
        them gives, (batch, frames, width).
        """

    @abstractmethod
    def trainable(self, maps: Tensor) -> list[Tensor]:
        """What the other layers make of the maps, (batch, frames, width) of each."""

    def forward(self, sound: Tensor) -> list[Tensor]:
        """Sound (batch, samples) in [-1, 1] to (batch, frames, width) of each layer."""
        maps, found = self.stem(sound)
        return [*found, *self.trainable(maps)]

    @torch.no_grad()
    def embed(self, sound: Tensor) -> Tensor:
        """Mean and deviation over time of every layer, side by side, (batch, 2 x widths)."""
        found = self(sound)
        parts = [x for layer in found for x in (layer.mean(1), layer.std(1, unbiased=False))]
        return torch.cat(parts, dim=1)


def load_weights(network: nn.Module, path: Path, sha256: str) -> None:
    """Give `network` all tensors of the safetensors file at `path`, none missing, none left over.

    Raises `ModelError` if it is missing, is another file, or does not fit.
    """
    if not path.is_file():
        raise ModelError(f"no pretrained encoder at {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        raise ModelError(f"{path} is not the file known by that name: its SHA-256 is {digest}")
    try:
        network.load_state_dict(load_file(path), strict=True)
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit: {' '.join(str(error).split())[:200]}") from None
