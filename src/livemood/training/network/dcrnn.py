"""The DC-RNN in torch: convolutions with a finite context, a causal recurrent layer, attention."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.model.pooling import LEAST_VARIANCE
from livemood.training.network.first_block import first_block
from livemood.training.recipe.schema import NetworkPart


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
                _convolution(width, part.channels, part.rank if width > 1 else 0, part.bands),
                nn.BatchNorm2d(part.channels),
            ]
            # The largest of rectified values is the largest rectified: a quarter of its work.
            largest = part.pooling == "max"
            blocks += [nn.MaxPool2d(2), nn.ReLU()] if largest else [nn.ReLU(), nn.AvgPool2d(2)]
            width = part.channels
        self.convolutions = nn.Sequential(*blocks)
        self._place = {mels // 2**n: 4 * n for n in (1, 2, 3)}
        self.linear = nn.Sequential(
            nn.Linear(part.channels * (mels // 8), part.hidden),
            nn.ReLU(),
            nn.Dropout(part.dropout),
            nn.Linear(part.hidden, part.step_width),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """One vector for each step of `features`, standardised (batch, frames, mels).

        In training they may be what frozen blocks gave: (batch, channels, rows, bands).
        """
        if features.ndim == 4:
            maps = self.convolutions[self._place[features.shape[3]] :](features)
        elif torch.is_grad_enabled() and not self._first_learns():
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

    def _first_learns(self) -> bool:
        return cast(nn.Conv2d, self.convolutions[0]).weight.requires_grad

    def _first(self, features: Tensor) -> Tensor:
        """What the first block gives where it does not learn."""
        if isinstance(self.convolutions[2], nn.MaxPool2d):
            return first_block(self.convolutions, features)
        maps: Tensor = self.convolutions[:4](features.unsqueeze(1))
        return maps

    def layers(self) -> list[nn.Module]:
        """What learns in it, from the bottom to the top."""
        blocks = [self.convolutions[i : i + 4] for i in range(0, len(self.convolutions), 4)]
        return [*blocks, self.linear[0], self.linear[3]]

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


class Moments(_Pooling):
    """The same over mean and deviation of states (Okabe et al. 2018), each put on one scale."""

    def __init__(self, width: int, inner: int, dropout: float, labels: int) -> None:
        super().__init__(width, inner, dropout, labels)
        self.norm = nn.BatchNorm1d(2 * width)
        self.output = nn.Linear(2 * width, labels)

    def forward(self, states: Tensor, scores: Tensor) -> Tensor:
        """Logits (batch, labels) of the states under their scores."""
        weights = torch.softmax(scores, dim=1).unsqueeze(1)
        mean = weights @ states
        variance = weights @ (states - mean).square()
        both = torch.cat((mean, (variance + float(LEAST_VARIANCE)).sqrt()), dim=2).squeeze(1)
        logits: Tensor = self.output(self.dropout(self.norm(both)))
        return logits

    @torch.no_grad()
    def matrix(self) -> Tensor:
        """The norm and the last layer as one matrix (2 x width + 1, labels), the bias last."""
        variance, mean = cast(Tensor, self.norm.running_var), cast(Tensor, self.norm.running_mean)
        scale = self.norm.weight / (variance + self.norm.eps).sqrt()
        shift = self.norm.bias - mean * scale
        weight, bias = self.output.weight, self.output.bias
        return torch.cat(((weight * scale).T, (weight @ shift + bias).unsqueeze(0)))


class CausalHead(nn.Module):
    """A recurrent layer that runs forward only, then attentive pooling over the states of a window.

    Each state and its score depend on nothing that comes later, so they are computed once and
    kept: a hop costs its own few steps, and no window is read twice.
    """

    def __init__(self, part: NetworkPart, labels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(part.dropout)
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[part.cell]
        self.recurrent = kind(
            part.step_width, part.recurrent, part.recurrent_layers, batch_first=True
        )
        self.layers, self.units, self.lstm = part.recurrent_layers, part.recurrent, kind is nn.LSTM
        heard, inner = part.recurrent + part.step_width, part.recurrent // 2
        self.readout: nn.Module | None = None
        if part.readout:
            self.readout = nn.Sequential(nn.Linear(heard, part.readout), nn.ReLU())
        elif part.moments:
            self.readout = nn.Linear(heard, part.moments)
        kind_of = Moments if part.moments else _Pooling
        width = part.moments or part.readout or part.recurrent
        self.pooling = kind_of(width, inner, part.dropout, labels)

    @property
    def width(self) -> int:
        """Values in the state of one stream: of all layers, and of an LSTM also its cells."""
        return self.layers * self.units * (2 if self.lstm else 1)

    def run(self, steps: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """States of the top layer at each step, and the state to go on from, (batch, width)."""
        if self.layers == 1 and not self.lstm:
            states, last = self.recurrent(steps, state.unsqueeze(0))
            return states, last[0]
        parts = torch.stack(torch.split(state, self.units, dim=1))
        if not self.lstm:
            states, last = self.recurrent(steps, parts)
            return states, torch.cat(last.unbind(0), 1)
        given = (parts[: self.layers].contiguous(), parts[self.layers :].contiguous())
        states, (hidden, cells) = self.recurrent(steps, given)
        return states, torch.cat((*hidden.unbind(0), *cells.unbind(0)), 1)

    def read(self, steps: Tensor, states: Tensor) -> Tensor:
        """What is pooled of each step: its state, or what the readout makes of state and step."""
        if self.readout is None:
            return states
        out: Tensor = self.readout(torch.cat((states, steps), dim=2))
        return out

    def forward(self, steps: Tensor, state: Tensor) -> Tensor:
        """Logits of a window from its steps; `state` (batch, width) is what came before."""
        steps = self.dropout(steps)
        states, _ = self.run(steps, state)
        pooled = self.read(steps, states)
        logits: Tensor = self.pooling(pooled, self.pooling.scores(pooled))
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

    def __init__(
        self,
        part: NetworkPart,
        mels: int,
        labels: int,
        tasks: Sequence[int] = (),
        teacher_width: int = 0,
    ) -> None:
        """`tasks` are the numbers of labels of further tasks, each of which gets a head.

        With `teacher_width` steps are also turned into as many values, to be near a teacher's.
        """
        super().__init__()
        self.front = Front(part, mels)
        self.causal = CausalHead(part, labels)
        self.compared = BidirectionalHead(part, labels) if part.bidirectional else None
        self.tasks = nn.ModuleList(CausalHead(part, count) for count in tasks)
        self.nearer = nn.Linear(part.step_width, teacher_width) if teacher_width else None
        self.carried = part.carried
        self.channels, self.hidden = part.channels, part.hidden

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, frames, mels), standardised, to logits (batch, labels)."""
        return self.heads(features)[0]

    def heads(self, features: Tensor) -> list[Tensor]:
        """Logits of the causal head, and of the one it is compared with, if there is one."""
        return self.read(features)[0]

    def read(self, features: Tensor, task: int = -1) -> tuple[list[Tensor], Tensor]:
        """Logits of the heads, or of the one of a further task, and the steps they come from."""
        steps = self.front(features)
        if task >= 0:
            head = cast(CausalHead, self.tasks[task])
            return [head(steps, self._earlier(steps, head))], steps
        logits = [self.causal(steps, self._earlier(steps, self.causal))]
        if self.compared is not None:
            logits.append(self.compared(steps))
        return logits, steps

    def _earlier(self, steps: Tensor, head: CausalHead) -> Tensor:
        """Where the recurrence begins: at zero, as speech does.

        In training half of the examples begin where another one of the batch ended: speech goes
        on for longer than a window, and what was said before must not decide.
        """
        state = torch.zeros(len(steps), head.width, device=steps.device)
        if not self.training:
            return state
        with torch.no_grad():
            _, last = head.run(steps, state.to(steps.dtype))
            carried = torch.rand(len(steps), 1, device=steps.device) < self.carried
            return torch.where(carried, last.roll(1, 0).float(), state)
