"""The form of the network that is exported: one hop at a time, going on from what is kept."""

import copy

import torch
from torch import Tensor, nn

from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.heads import StatisticsPooling

INPUTS = ("features", "rows1", "rows2", "state")
OUTPUTS = ("votes", "scores", "new_state", "new_rows1", "new_rows2")


class Streaming(nn.Module):
    """What is exported: one hop, from new frames and what is kept to what its steps say."""

    def __init__(self, network: DcRnn) -> None:
        super().__init__()
        layers = list(copy.deepcopy(network.encoder.convolutions))
        # Rectified before pooling, which gives the same: convolutions then take the rectifier in,
        # and the pooling of quantized ones stays in 8 bits.
        order = (0, 1, 3, 2) if isinstance(layers[2], nn.MaxPool2d) else (0, 1, 2, 3)
        blocks = [[layers[i + n] for n in order] for i in (0, 4, 8)]
        self.blocks = nn.ModuleList(nn.Sequential(*block) for block in blocks)
        # As convolutions the linear layers run in 8 bits from end to end, biases and rectifiers
        # included, and no maps are reshaped on the way.
        first, second = network.encoder.linear[0], network.encoder.linear[3]
        self.linear = nn.Sequential(
            _as_convolution(first, network.section.channels),
            nn.ReLU(),
            _as_convolution(second, network.section.hidden),
            nn.ReLU(),
        )
        self.head = copy.deepcopy(network.head)
        self.head.recurrent.batch_first = False  # as ONNX has it: nothing is transposed

    def forward(
        self, features: Tensor, rows1: Tensor, rows2: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Features (batch, frames, mels) of the new steps and the state (1, batch, recurrent).

        `rows1` (batch, channels, kept, mels // 2) and `rows2` (batch, channels, kept, mels // 4)
        are the last two rows that the first and the second block gave for the steps before, and
        their new values are returned last. With none kept, features begin with all the frames that
        the first step sees.

        Returns for each new step its votes (steps, batch, labels) and its score (steps, batch),
        then the state to go on from. The logits of a window are the mean of its steps' votes,
        weighted by the softmax of their scores: as the last layer is linear, it may as well come
        before the pooling, and what is kept of a step is then no more than what it says. With
        statistics pooling that is no vote but what is pooled, of which `matrix` makes logits.
        """
        kept1 = torch.cat((rows1, self.blocks[0](features.unsqueeze(1))), 2)
        kept2 = torch.cat((rows2, self.blocks[1](kept1)), 2)
        maps: Tensor = self.linear(self.blocks[2](kept2))
        steps = maps.squeeze(3).permute(2, 0, 1)
        states, last = self.head.run(steps, state[0])
        pooling, pooled = self.head.pooling, self.head.project(steps, states)
        scores = pooling.scores(pooled)
        votes = pooled if isinstance(pooling, StatisticsPooling) else pooling.output(pooled)
        return votes, scores, last.unsqueeze(0), kept1[:, :, -2:], kept2[:, :, -2:]


def _as_convolution(linear: nn.Module, channels: int) -> nn.Conv2d:
    """The convolution that does what `linear` does to maps flattened by (bands, channels)."""
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"a linear layer, not {type(linear).__name__}")
    bands = linear.in_features // channels
    out = nn.Conv2d(channels, linear.out_features, (1, bands))
    weight = linear.weight.detach().reshape(-1, bands, channels)
    out.weight = nn.Parameter(weight.transpose(1, 2).unsqueeze(2).contiguous())
    out.bias = nn.Parameter(linear.bias.detach().clone())
    return out
