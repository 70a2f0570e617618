"""The convolutional encoder of the DC-RNN: log-mel frames in, one vector for each 80 ms out."""

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.training.network.first_block import first_block
from livemood.training.recipe.sections import NetworkSection


class ConvolutionalEncoder(nn.Module):
    """Log-mel frames (batch, frames, mels) to steps (batch, steps, hidden), 80 ms each.

    Three blocks of convolution and pooling, as in BYOL-S (Elbanna et al. 2022) but without
    padding in time: each step of 8 frames sees exactly 22 frames (235 ms) and nothing else, so
    that what is computed once for a stretch of sound holds in every window. Two linear layers
    follow at each step. With `section.rank` the second and third convolutions are factored
    (Jaderberg et al. 2014).
    """

    step_frames = 8
    context_frames = 22
    kept_frames = 12
    """Frames at the beginning of a step's context that need not be seen again right after the
    step before: what the first two blocks gave for them is kept."""

    def __init__(self, section: NetworkSection, mels: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = 1
        for _ in range(3):
            blocks += [
                _convolution(
                    width, section.channels, section.rank if width > 1 else 0, section.kernel_bands
                ),
                nn.BatchNorm2d(section.channels),
            ]
            # The largest of rectified values is the largest rectified: a quarter of its work.
            largest = section.pooling == "max"
            blocks += [nn.MaxPool2d(2), nn.ReLU()] if largest else [nn.ReLU(), nn.AvgPool2d(2)]
            width = section.channels
        self.convolutions = nn.Sequential(*blocks)
        self._place = {mels // 2**n: 4 * n for n in (1, 2, 3)}
        self.linear = nn.Sequential(
            nn.Linear(section.channels * (mels // 8), section.hidden),
            nn.ReLU(),
            nn.Dropout(section.dropout),
            nn.Linear(section.hidden, section.step_width),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """One vector for each step of `features`, standardised (batch, frames, mels).

        In training they may be what frozen blocks gave: (batch, channels, rows, bands).
        """
        if features.ndim == 4:
            maps = self.convolutions[self._place[features.shape[3]] :](features)
        elif torch.is_grad_enabled() and not self._first_is_trainable():
            maps = self.convolutions[4:](self._first(features))
        else:
            maps = self.convolutions(features.unsqueeze(1))
        steps: Tensor = self.linear(maps.permute(0, 2, 3, 1).flatten(2))
        return steps

    @torch.no_grad()
    def through(self, features: Tensor, blocks: int) -> Tensor:
        """What the lowest `blocks` give in evaluation, (batch, channels, rows, bands)."""
        maps: Tensor = self.convolutions[4 : 4 * blocks](self._first(features))
        return maps

    def _first_is_trainable(self) -> bool:
        return cast(nn.Conv2d, self.convolutions[0]).weight.requires_grad

    def _first(self, features: Tensor) -> Tensor:
        """What the first block gives where it does not learn."""
        if isinstance(self.convolutions[2], nn.MaxPool2d):
            return first_block(self.convolutions, features)
        maps: Tensor = self.convolutions[:4](features.unsqueeze(1))
        return maps

    def layers(self) -> list[nn.Module]:
        """Its blocks and linear layers, from the bottom to the top."""
        blocks = [self.convolutions[i : i + 4] for i in range(0, len(self.convolutions), 4)]
        return [*blocks, self.linear[0], self.linear[3]]

    def take(self, whole: "ConvolutionalEncoder", outputs: Tensor) -> None:
        """Take the weights of an encoder with whole convolutions, factoring them as ours are.

        The factors are those of the singular value decomposition: the nearest of their rank. Of
        its outputs only those at the indices `outputs` are taken.
        """
        for ours, theirs in zip(self.convolutions, whole.convolutions, strict=True):
            if isinstance(ours, nn.Sequential) and isinstance(theirs, nn.Conv2d):
                _factor(theirs, ours)
            else:
                ours.load_state_dict(theirs.state_dict())
        state = whole.linear.state_dict()
        for name in ("3.weight", "3.bias"):
            state[name] = state[name][outputs]
        self.linear.load_state_dict(state)

    def load_byol_s(self, path: Path) -> None:
        """Take all weights from the `byol-s-d512` tensors at `path`.

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


def _convolution(inputs: int, outputs: int, rank: int, bands: int) -> nn.Module:
    """A convolution of 3 frames by `bands` mel bands, in one piece or as a product of `rank`."""
    if not rank:
        return nn.Conv2d(inputs, outputs, (3, bands), padding=(0, bands // 2))
    return nn.Sequential(
        nn.Conv2d(inputs, rank, (3, 1), bias=False),
        nn.Conv2d(rank, outputs, (1, bands), padding=(0, bands // 2)),
    )


@torch.no_grad()
def _factor(whole: nn.Conv2d, pair: nn.Sequential) -> None:
    """Fill `pair`, over time and then over mel bands, with the best approximation of `whole`."""
    state = pair.state_dict()
    outputs, inputs, frames, bands = whole.weight.shape
    matrix = whole.weight.permute(1, 2, 0, 3).reshape(inputs * frames, outputs * bands)
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    rank = len(state["0.weight"])
    root = values[:rank].sqrt()
    first = (left[:, :rank] * root).T.reshape(rank, inputs, frames, 1)
    second = (root[:, None] * right[:rank]).reshape(rank, outputs, 1, bands)
    state |= {"0.weight": first, "1.weight": second.transpose(0, 1), "1.bias": whole.bias}
    pair.load_state_dict(state)
