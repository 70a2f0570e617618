"""Whisper's first blocks, made causal by blocks of 240 ms, under a head that knows voices.

A step of 20 ms sees its own block and the last few before it, so that sound is read as it comes:
keys and values of those are kept. What is pooled of a window is related to the voice's baseline
before it is read; see `livemood.model.baseline`.
"""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.model.network.pooling import LEAST_VARIANCE
from livemood.training.network.whisper import WhisperStack
from livemood.training.network.whisper_weights import find_weights, read_weights

HEAD: Final = "head.pt"
"""The head's weights in the folder of a run."""
BLOCK_FRAMES: Final = 24
"""Frames of 10 ms in a block."""
BLOCK_STEPS: Final = 12
"""Steps of 20 ms in a block, which attention sees together."""
VOTES: Final = 3
"""Steps of 80 ms in a block, each the mean of four: what is pooled."""
CONTEXT_FRAMES: Final = 27
"""Frames that a block's convolutions see: three more than are its own."""
PAST_BLOCKS: Final = 4
"""Blocks before its own that a step sees: 0.96 s. Twelve read no better."""
TURN_BLOCKS: Final = 125
"""Blocks of the stream after which positions begin again: 30 s."""


def block_causal(steps: int, first: int = 0, past: int = PAST_BLOCKS) -> Tensor:
    """(steps, steps), true where a step may look; `first` is the block the steps begin with.

    Nothing looks back to where positions began again.
    """
    block = first + torch.arange(steps) // BLOCK_STEPS
    since, turn = block[:, None] - block, block // TURN_BLOCKS
    return (since >= 0) & (since <= past) & (turn[:, None] == turn)


class StreamingEncoder(nn.Module):
    """Normalised log-mel to steps of 80 ms: what all its blocks say, side by side."""

    def __init__(self, stack: WhisperStack) -> None:
        super().__init__()
        self.stack = stack

    @property
    def width(self) -> int:
        """Values in a step of 80 ms."""
        return self.stack.width * len(self.stack.blocks)

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        """(batch, 24 n + 3 frames, mels) to (batch, 3 n steps, width), from block `first` on."""
        x = self.stack.stem(features, first % TURN_BLOCKS * BLOCK_STEPS)
        mask = block_causal(x.shape[1], first % TURN_BLOCKS).to(x.device)
        outputs = torch.cat(self.stack.through(x, mask), 2)
        return outputs.view(len(outputs), -1, BLOCK_STEPS // VOTES, self.width).mean(2)


def pretrained_encoder(folder: Path, blocks: int) -> StreamingEncoder:
    """Whisper's first `blocks` blocks with the weights of tiny.en in `folder`.

    Raises `ModelError` if they cannot be had or do not fit.
    """
    stack = WhisperStack(blocks)
    try:
        stack.load(read_weights(find_weights(folder)))
    except ValueError as error:
        raise ModelError(str(error)) from None
    return StreamingEncoder(stack)


class VoiceHead(nn.Module):
    """A projection, a GRU, statistics pooling by attention, and a layer that gives logits.

    What is pooled is the output of a step (projection and GRU side by side). Its statistics, less a
    baseline, are scaled and classified. `speech` gives for each step how likely it is no speech.
    """

    def __init__(
        self,
        width: int,
        labels: int,
        dropout: float,
        project: int = 256,
        units: int = 128,
        dimensions: int = 0,
    ) -> None:
        """`dimensions` are learnt from ratings, beside the labels."""
        super().__init__()
        self.units, self.pooled = units, project + units
        self.project = nn.Linear(width, project)
        self.gru = nn.GRU(project, units, batch_first=True)
        self.score = nn.Linear(self.pooled, 1)
        self.speech = nn.Linear(self.pooled, 1)
        self.output = nn.Linear(2 * self.pooled, labels)
        self.ratings = nn.Linear(2 * self.pooled, dimensions) if dimensions else None
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.score.weight)
        self.input_mean: Tensor
        self.input_scale: Tensor
        self.centre: Tensor
        self.spread: Tensor
        self.typical: Tensor
        self.register_buffer("input_mean", torch.zeros(width))
        self.register_buffer("input_scale", torch.ones(width))
        # How statistics lie over training speakers, and where those of voices at rest do.
        self.register_buffer("centre", torch.zeros(2 * self.pooled))
        self.register_buffer("spread", torch.ones(2 * self.pooled))
        self.register_buffer("typical", torch.zeros(2 * self.pooled))

    def steps(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What steps (batch, steps, width) say, and the state (batch, units) to go on from."""
        x = (x - self.input_mean) * self.input_scale
        if self.training:  # whole channels of an example are left out
            kept = nn.functional.dropout(torch.ones_like(x[:, :1]), 0.1)
            x = x * kept
        projected = self.project(x)
        states, last = self.gru(projected, None if state is None else state[None].contiguous())
        return torch.cat((projected, states), 2), last[0]

    def pool(self, outputs: Tensor, present: Tensor) -> Tensor:
        """Mean and deviation (batch, 2 x pooled) over the steps that are present."""
        scores = self.score(outputs)[..., 0].clamp(-40, 40).masked_fill(~present, -1e9)
        weights = scores.softmax(1).unsqueeze(2)
        mean = (weights * outputs).sum(1)
        variance = (weights * (outputs - mean.unsqueeze(1)).square()).sum(1)
        return torch.cat((mean, (variance + float(LEAST_VARIANCE)).sqrt()), 1)

    def logits(self, statistics: Tensor, shift: Tensor | None = None) -> Tensor:
        """Logits (batch, labels) of statistics less `shift`, what a baseline takes away."""
        out: Tensor = self.output(self._scaled(statistics, shift))
        return out

    def rate(self, statistics: Tensor, shift: Tensor | None = None) -> Tensor:
        """Dimensions (batch, dimensions), each in [-1, 1], of the same; none if it learns none."""
        if self.ratings is None:
            return statistics.new_zeros((len(statistics), 0))
        out: Tensor = self.ratings(self._scaled(statistics, shift)).tanh()
        return out

    def _scaled(self, statistics: Tensor, shift: Tensor | None) -> Tensor:
        if shift is not None:
            statistics = statistics - shift
        out: Tensor = self.dropout((statistics - self.centre) / self.spread)
        return out

    @torch.no_grad()
    def matrix(self) -> Tensor:
        """Scale and last layers as one matrix (2 x pooled + 1, outputs), the bias last.

        Outputs are the labels and after them the dimensions, before their hyperbolic tangent.
        """
        layers = [self.output, *([] if self.ratings is None else [self.ratings])]
        weight = torch.cat([layer.weight for layer in layers]) / self.spread
        bias = torch.cat([layer.bias for layer in layers])
        return torch.cat((weight.T, (bias - weight @ self.centre)[None]))

    @torch.no_grad()
    def speakers(self) -> Tensor:
        """(2, 2 x pooled): mean of voices at rest, and deviation, over training speakers."""
        return torch.stack((self.typical, self.spread))


class StreamingEncoderModel(nn.Module):
    """Encoder and head together."""

    def __init__(self, encoder: StreamingEncoder, head: VoiceHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        """Logits (batch, labels) of whole windows (batch, 24 n + 3 frames, mels), no baseline."""
        outputs, _ = self.head.steps(self.encoder(features, first))
        present = torch.ones(outputs.shape[:2], dtype=torch.bool, device=outputs.device)
        return self.head.logits(self.head.pool(outputs, present))
