"""Trains a text encoder, with a checkpoint after each epoch."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from livemood.training.data.sentences import Sentences
from livemood.training.fit.trainer import Report, TrainingState
from livemood.training.network.checkpoint import CHECKPOINT
from livemood.training.network.text_encoder import TextEncoder
from livemood.training.recipe.text import TextFit

CLIP_NORM = 1.0
WARM_UP = 0.1
"""Share of all steps in which the learning rate rises."""

Tokens = Sequence[Sequence[int]]


class TextTrainer:
    """Cross entropy with soft targets, so that outputs are one distribution over the labels.

    Everything random in an epoch follows from the seed and its number, so that a run that was cut
    short and goes on from its checkpoint ends as an unbroken one does.
    """

    def __init__(
        self,
        network: TextEncoder,
        fit: TextFit,
        tokens: Tokens,
        sentences: Sentences,
        drawn: NDArray[np.float64],
        *,
        seed: int,
        run: Path,
        report: Report | None = None,
    ) -> None:
        """`drawn` is how often each sentence is drawn, in [0, 1]; `tokens` are theirs."""
        self.network, self.fit, self.tokens, self.drawn = network, fit, tokens, drawn
        self.targets = torch.from_numpy(sentences.targets)
        self.seed, self.run, self.report = seed, run, report
        optimizer = _optimizer(network, fit)
        steps = fit.epochs * -(-fit.sentences // fit.batch_size)
        warm = max(1, round(WARM_UP * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda s: min((s + 1) / warm, max(0.0, (steps - s) / max(1, steps - warm))),
        )
        averaging = get_ema_multi_avg_fn(fit.ema_decay)  # type: ignore[no-untyped-call]
        ema = AveragedModel(network, multi_avg_fn=averaging)
        self.state = TrainingState(network, ema, optimizer, schedule)
        if (run / CHECKPOINT).is_file():
            self.state.load(run)

    def train(self) -> TextEncoder:
        """Train to the end: the moving average of the weights, in evaluation."""
        state = self.state
        while state.epoch < self.fit.epochs:
            began = time.monotonic()
            loss, right = self._epoch(state.epoch)
            state.epoch += 1
            row = {"epoch": state.epoch, "loss": loss, "accuracy": right}
            state.curve.append(row | {"seconds": time.monotonic() - began})
            state.save(self.run)
            if self.report:
                self.report(state.curve[-1] | {"epochs": self.fit.epochs})
        averaged = state.ema.module.eval()
        assert isinstance(averaged, TextEncoder)  # noqa: S101 - it was made of one
        return averaged

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """Mean loss, and the share of sentences whose likeliest label holds."""
        torch.manual_seed(self.seed * 1000 + epoch)
        network, state = self.network, self.state
        network.train()
        for layer in network.layers()[: self.fit.frozen_layers]:
            layer.eval()
        losses, right, count = [], 0, 0
        for places in self._batches(epoch):
            tokens, mask = padded([self.tokens[i] for i in places])
            targets = self.targets[places]
            logits = network(tokens, mask)
            loss = nn.functional.cross_entropy(logits, targets)
            state.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
            state.optimizer.step()
            state.schedule.step()
            state.ema.update_parameters(network)
            losses.append(loss.item())
            right += int((targets.gather(1, logits.argmax(1, keepdim=True)) > 0).sum())
            count += len(places)
        return float(np.mean(losses)), right / count

    def _batches(self, epoch: int) -> Iterator[NDArray[np.intp]]:
        """Places of the sentences of each batch: of similar length, the batches in random order."""
        generator = np.random.default_rng((self.seed, epoch))
        places = self._drawn(epoch)
        lengths = np.array([len(self.tokens[i]) for i in places])
        places = places[np.argsort(lengths + generator.random(len(lengths)))]
        size = self.fit.batch_size
        for first in generator.permutation(np.arange(0, len(places), size)):
            yield places[first : first + size]

    def _drawn(self, epoch: int) -> NDArray[np.intp]:
        """The sentences of an epoch: the next ones of an order that begins anew at its end."""
        size, round_, taken = self.fit.sentences, 0, 0
        out: list[NDArray[np.intp]] = []
        skip = epoch * size
        while taken < size:
            generator = np.random.default_rng((self.seed, 7, round_))
            order = generator.permutation(len(self.drawn))
            order = order[generator.random(len(order)) < self.drawn[order]]
            part = order[skip : skip + size - taken]
            skip = max(0, skip - len(order))
            taken += len(part)
            out.append(part)
            round_ += 1
        return np.concatenate(out)


def padded(tokens: Tokens) -> tuple[Tensor, Tensor]:
    """Token numbers and their mask, both (batch, longest), int64; missing ones are 0."""
    longest = max(map(len, tokens))
    numbers = torch.zeros(len(tokens), longest, dtype=torch.int64)
    mask = torch.zeros_like(numbers)
    for row, sentence in enumerate(tokens):
        numbers[row, : len(sentence)] = torch.tensor(sentence)
        mask[row, : len(sentence)] = 1
    return numbers, mask


def _optimizer(network: TextEncoder, fit: TextFit) -> torch.optim.Optimizer:
    layers = network.layers()
    groups: list[dict[str, object]] = [
        {"params": network.head.parameters(), "lr": fit.learning_rate * fit.head_lr_scale}
    ]
    for place, layer in enumerate(layers):
        if place < fit.frozen_layers:
            layer.requires_grad_(False)
            continue
        rate = fit.learning_rate * fit.layer_lr_decay ** (len(layers) - 1 - place)
        groups.append({"params": layer.parameters(), "lr": rate})
    return torch.optim.AdamW(groups, weight_decay=fit.weight_decay)
