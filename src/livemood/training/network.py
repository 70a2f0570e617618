"""The DC-RNN in torch: convolutions with a finite context, a causal recurrent layer, attention."""

import copy
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.training.recipe import NetworkPart


class Front(nn.Module):
    """Log-mel frames (batch, frames, mels) to steps (batch, steps, hidden), 80 ms each.

    Three blocks of convolution and pooling, as in BYOL-S (Elbanna et al. 2022) but without
    padding in time: each step of 8 frames sees exactly 22 frames (235 ms) and nothing else, so
    that what is computed once for a stretch of sound holds in every window. Two linear layers
    follow at each step. With `part.rank` the second and third convolutions are factored (Jaderberg
    et al. 2014).
    """

    step_frames = 8
    context_frames = 22
    kept_frames = 12
    """Frames at the beginning of a step's context that need not be seen again right after the
    step before: what the first two blocks gave for them is kept."""

    def __init__(self, part: NetworkPart, mels: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = 1
        for _ in range(3):
            blocks += [
                _convolution(width, part.channels, part.rank if width > 1 else 0),
                nn.BatchNorm2d(part.channels),
                # Before the rectifier, which keeps the order of values: a quarter of its work.
                nn.MaxPool2d(2),
                nn.ReLU(),
            ]
            width = part.channels
        self.convolutions = nn.Sequential(*blocks)
        self.linear = nn.Sequential(
            nn.Linear(part.channels * (mels // 8), part.hidden),
            nn.ReLU(),
            nn.Dropout(part.dropout),
            nn.Linear(part.hidden, part.step_width),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """One vector for each step of `features`, standardised."""
        maps = self.convolutions(features.unsqueeze(1))
        steps: Tensor = self.linear(maps.permute(0, 2, 3, 1).flatten(2))
        return steps

    def take(self, whole: "Front", outputs: Tensor) -> None:
        """Take the weights of a front whose convolutions are `whole`, factoring them as ours are.

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


def _convolution(inputs: int, outputs: int, rank: int) -> nn.Module:
    """A convolution of 3 frames by 3 bands, in one piece or as a product of `rank`."""
    if not rank:
        return nn.Conv2d(inputs, outputs, 3, padding=(0, 1))
    return nn.Sequential(
        nn.Conv2d(inputs, rank, (3, 1), bias=False),
        nn.Conv2d(rank, outputs, (1, 3), padding=(0, 1)),
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


class _Pooling(nn.Module):
    """Attentive pooling over states, and the layer that gives logits."""

    def __init__(self, width: int, inner: int, dropout: float, labels: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(width, inner), nn.Tanh(), nn.Linear(inner, 1))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, labels)

    def scores(self, states: Tensor) -> Tensor:
        """How much each state (batch, steps, width) asks to be heard, (batch, steps)."""
        out: Tensor = self.attention(states).squeeze(-1)
        return out

    def forward(self, states: Tensor, scores: Tensor) -> Tensor:
        """Logits (batch, labels) of the states under their scores."""
        weights = torch.softmax(scores, dim=1).unsqueeze(1)
        logits: Tensor = self.output(self.dropout((weights @ states).squeeze(1)))
        return logits


class CausalHead(nn.Module):
    """A GRU that runs forward only, then attentive pooling over the states of a window.

    Each state and its score depend on nothing that comes later, so they are computed once and
    kept: a hop costs its own few steps, and no window is read twice.
    """

    def __init__(self, part: NetworkPart, labels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(part.dropout)
        self.recurrent = nn.GRU(part.step_width, part.recurrent, batch_first=True)
        self.pooling = _Pooling(part.recurrent, part.recurrent // 2, part.dropout, labels)

    def forward(self, steps: Tensor, state: Tensor) -> Tensor:
        """Logits of a window from its steps; `state` (batch, recurrent) is what came before."""
        states, _ = self.recurrent(self.dropout(steps), state.unsqueeze(0))
        logits: Tensor = self.pooling(states, self.pooling.scores(states))
        return logits


class BidirectionalHead(nn.Module):
    """A GRU over the whole window, both ways: what the causal head is compared with."""

    def __init__(self, part: NetworkPart, labels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(part.dropout)
        width = part.bidirectional
        self.recurrent = nn.GRU(part.step_width, width, batch_first=True, bidirectional=True)
        self.pooling = _Pooling(2 * width, width, part.dropout, labels)

    def forward(self, steps: Tensor) -> Tensor:
        """Logits of a window from all of its steps."""
        states, _ = self.recurrent(self.dropout(steps))
        logits: Tensor = self.pooling(states, self.pooling.scores(states))
        return logits


class DcRnn(nn.Module):
    """Log-mel frames in, one logit for each label out, for any number of frames from 22.

    With `part.bidirectional` a second, bidirectional head is trained on the same steps: a network
    for comparison within one run, never exported.
    """

    step_frames = Front.step_frames
    context_frames = Front.context_frames
    kept_frames = Front.kept_frames

    def __init__(self, part: NetworkPart, mels: int, labels: int) -> None:
        super().__init__()
        self.front = Front(part, mels)
        self.causal = CausalHead(part, labels)
        self.compared = BidirectionalHead(part, labels) if part.bidirectional else None
        self.recurrent, self.carried = part.recurrent, part.carried
        self.channels, self.hidden = part.channels, part.hidden

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, frames, mels), standardised, to logits (batch, labels)."""
        return self.heads(features)[0]

    def heads(self, features: Tensor) -> list[Tensor]:
        """Logits of the causal head, and of the one it is compared with, if there is one."""
        steps = self.front(features)
        logits = [self.causal(steps, self._earlier(steps))]
        if self.compared is not None:
            logits.append(self.compared(steps))
        return logits

    def _earlier(self, steps: Tensor) -> Tensor:
        """Where the recurrence begins: at zero, as speech does.

        In training half of the examples begin where another one of the batch ended: speech goes
        on for longer than a window, and what was said before must not decide.
        """
        state = torch.zeros(len(steps), self.recurrent)
        if not self.training:
            return state
        with torch.no_grad():
            _, last = self.causal.recurrent(steps)
            carried = torch.rand(len(steps), 1) < self.carried
            return torch.where(carried, last[0].roll(1, 0).float(), state)

    def transferred(self, head: bool) -> list[nn.Parameter]:
        """The parameters that a source model gives, with or without its head."""
        return [*self.front.parameters(), *(self.causal.parameters() if head else ())]


class Streaming(nn.Module):
    """What is exported: one hop, from new frames and what is kept to what its steps say."""

    def __init__(self, network: DcRnn) -> None:
        super().__init__()
        layers = list(copy.deepcopy(network.front.convolutions))
        # Rectified before pooling, which gives the same: convolutions then take the rectifier in,
        # and the pooling of quantized ones stays in 8 bits.
        blocks = [(layers[i], layers[i + 1], layers[i + 3], layers[i + 2]) for i in (0, 4, 8)]
        self.blocks = nn.ModuleList(nn.Sequential(*block) for block in blocks)
        # As convolutions the linear layers run in 8 bits from end to end, biases and rectifiers
        # included, and no maps are reshaped on the way.
        first, second = network.front.linear[0], network.front.linear[3]
        self.linear = nn.Sequential(
            _as_convolution(first, network.channels),
            nn.ReLU(),
            _as_convolution(second, network.hidden),
            nn.ReLU(),
        )
        self.causal = copy.deepcopy(network.causal)
        self.causal.recurrent.batch_first = False  # as ONNX has it: nothing is transposed

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
        before the pooling, and what is kept of a step is then no more than what it says.
        """
        kept1 = torch.cat((rows1, self.blocks[0](features.unsqueeze(1))), 2)
        kept2 = torch.cat((rows2, self.blocks[1](kept1)), 2)
        maps: Tensor = self.linear(self.blocks[2](kept2))
        states, last = self.causal.recurrent(maps.squeeze(3).permute(2, 0, 1), state)
        pooling = self.causal.pooling
        scores, votes = pooling.scores(states), pooling.output(states)
        return votes, scores, last, kept1[:, :, -2:], kept2[:, :, -2:]


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
