"""The DC-RNN in torch: convolutions with a finite context, a recurrent layer, attention."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.training.recipe import NetworkPart


class DcRnn(nn.Module):
    """Log-mel frames in, one logit for each label out, for any number of frames from 22.

    Three blocks of convolution and pooling, as in BYOL-S (Elbanna et al. 2022) but without
    padding in time: each step of 8 frames (80 ms) sees exactly 22 frames (235 ms) and nothing
    else, so that what is computed for one window holds for every other window over those frames.
    Two linear layers follow at each step, then a bidirectional GRU and attentive pooling over
    the steps of the window.
    """

    step_frames = 8
    context_frames = 22

    def __init__(self, part: NetworkPart, mels: int, labels: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = 1
        for _ in range(3):
            blocks += [
                nn.Conv2d(width, part.channels, 3, padding=(0, 1)),
                nn.BatchNorm2d(part.channels),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            width = part.channels
        self.convolutions = nn.Sequential(*blocks)
        self.linear = nn.Sequential(
            nn.Linear(part.channels * (mels // 8), part.hidden),
            nn.ReLU(),
            nn.Dropout(part.dropout),
            nn.Linear(part.hidden, part.hidden),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(part.dropout)
        self.recurrent = nn.GRU(part.hidden, part.recurrent, batch_first=True, bidirectional=True)
        self.attention = nn.Sequential(
            nn.Linear(2 * part.recurrent, part.recurrent), nn.Tanh(), nn.Linear(part.recurrent, 1)
        )
        self.output = nn.Linear(2 * part.recurrent, labels)

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, frames, mels), standardised, to logits (batch, labels)."""
        maps = self.convolutions(features.unsqueeze(1))
        steps = self.linear(maps.permute(0, 2, 3, 1).flatten(2))
        states, _ = self.recurrent(self.dropout(steps))
        weights = torch.softmax(self.attention(states), dim=1)
        pooled = (weights * states).sum(dim=1)
        logits: Tensor = self.output(self.dropout(pooled))
        return logits

    def transferred(self) -> list[nn.Parameter]:
        """The parameters that a source model can give."""
        return [*self.convolutions.parameters(), *self.linear.parameters()]

    def load_byol_s(self, path: Path) -> None:
        """Take convolutions and linear layers from `byol-s-d512` tensors at `path`.

        Its convolutions run over (mel, time), ours over (time, mel): kernels are transposed.
        """
        try:
            tensors = load_file(path)
            for index in (0, 4, 8):
                kernel = tensors[f"features.{index}.weight"]
                tensors[f"features.{index}.weight"] = kernel.transpose(2, 3)
            for part, prefix in ((self.convolutions, "features."), (self.linear, "fc.")):
                part.load_state_dict(
                    {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                )
        except (OSError, RuntimeError, KeyError) as error:
            raise ModelError(
                f"{path} does not hold byol-s-d512 for this network: {error}"
            ) from None
