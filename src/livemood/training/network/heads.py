"""Heads: from the steps of a window to logits, by a recurrent layer and attentive pooling."""

from typing import cast

import torch
from torch import Tensor, nn

from livemood.model.network.pooling import LEAST_VARIANCE
from livemood.training.recipe.sections import NetworkSection


class AttentivePooling(nn.Module):
    """Attentive pooling over states, and the layer that gives logits."""

    def __init__(self, width: int, inner: int, dropout: float, labels: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(width, inner), nn.Tanh(), nn.Linear(inner, 1))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, labels)

    def scores(self, states: Tensor) -> Tensor:
        """The attention score of each state (batch, steps, width), (batch, steps)."""
        out: Tensor = self.attention(states).squeeze(-1)
        return out

    def forward(self, states: Tensor, scores: Tensor) -> Tensor:
        """Logits (batch, labels) of the states under their scores."""
        weights = torch.softmax(scores, dim=1).unsqueeze(1)
        logits: Tensor = self.output(self.dropout((weights @ states).squeeze(1)))
        return logits


class StatisticsPooling(AttentivePooling):
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

    def __init__(self, section: NetworkSection, labels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(section.dropout)
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[section.cell]
        self.recurrent = kind(
            section.step_width, section.recurrent, section.recurrent_layers, batch_first=True
        )
        self.layers, self.units, self.lstm = (
            section.recurrent_layers,
            section.recurrent,
            kind is nn.LSTM,
        )
        inputs, inner = section.recurrent + section.step_width, section.recurrent // 2
        self.step_projection: nn.Module | None = None
        if section.step_projection:
            self.step_projection = nn.Sequential(
                nn.Linear(inputs, section.step_projection), nn.ReLU()
            )
        elif section.statistics_pooling:
            self.step_projection = nn.Linear(inputs, section.statistics_pooling)
        pooling = StatisticsPooling if section.statistics_pooling else AttentivePooling
        width = section.statistics_pooling or section.step_projection or section.recurrent
        self.pooling = pooling(width, inner, section.dropout, labels)

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

    def project(self, steps: Tensor, states: Tensor) -> Tensor:
        """What is pooled of each step: its state, or the step projection of state and step."""
        if self.step_projection is None:
            return states
        out: Tensor = self.step_projection(torch.cat((states, steps), dim=2))
        return out

    def forward(self, steps: Tensor, state: Tensor) -> Tensor:
        """Logits of a window from its steps; `state` (batch, width) is what came before."""
        steps = self.dropout(steps)
        states, _ = self.run(steps, state)
        pooled = self.project(steps, states)
        logits: Tensor = self.pooling(pooled, self.pooling.scores(pooled))
        return logits


class BidirectionalHead(nn.Module):
    """A GRU over the whole window, both ways: what the causal head is compared with."""

    def __init__(self, section: NetworkSection, labels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(section.dropout)
        width = section.bidirectional
        self.recurrent = nn.GRU(section.step_width, width, batch_first=True, bidirectional=True)
        self.pooling = AttentivePooling(2 * width, width, section.dropout, labels)

    def forward(self, steps: Tensor) -> Tensor:
        """Logits of a window from all of its steps."""
        states, _ = self.recurrent(self.dropout(steps))
        logits: Tensor = self.pooling(states, self.pooling.scores(states))
        return logits
