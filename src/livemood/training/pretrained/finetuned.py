"""A pretrained encoder whose upper layers learn, under one linear layer; and how it is trained."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from livemood.training.data.clips import Clip
from livemood.training.data.predictions import Probs
from livemood.training.fit.batches import Batch, TrainingSet
from livemood.training.fit.copies import Maps
from livemood.training.fit.losses import fast_bfloat16, label_loss
from livemood.training.fit.trainer import Report, Trainer
from livemood.training.pretrained.base import PretrainedEncoder
from livemood.training.recipe.sections import FitSection


class MadeCopies(Protocol):
    """Copies of clips that need no more than their number to be made."""

    def make(self, clip: Clip, number: int) -> None:
        """See that copy `number` of `clip` is there."""

    def get(self, clip: Clip, number: int) -> Maps:
        """Copy `number` of `clip`, which was made."""


class FinetunedEncoder(nn.Module):
    """The trainable layers of an encoder, and one linear layer over what they give.

    That is mean and deviation over time of each of them, as probes of `livemood encoders rank` see.
    """

    def __init__(self, encoder: PretrainedEncoder, labels: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        with torch.no_grad():
            maps, _ = encoder.stem(torch.zeros(1, encoder.sample_rate))
            width = sum(2 * layer.shape[2] for layer in encoder.eval().trainable(maps))
        self.head = nn.Sequential(
            nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, labels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Logits (batch, labels) of maps as the encoder's stem gives them."""
        found = self.encoder.trainable(maps)
        parts = [x for layer in found for x in (layer.mean(1), layer.std(1, unbiased=False))]
        logits: Tensor = self.head(torch.cat(parts, dim=1))
        return logits

    def train(self, mode: bool = True) -> "FinetunedEncoder":
        """The encoder's batch norms keep their statistics, those of far more sound than ours."""
        super().train(mode)
        for layer in self.encoder.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


class FinetuneTrainer(Trainer):
    """Trains the upper layers of an encoder, and the linear layer over them."""

    network: FinetunedEncoder

    def __init__(
        self,
        network: FinetunedEncoder,
        examples: TrainingSet,
        fit: FitSection,
        *,
        seed: int,
        run: Path,
        report: Report | None = None,
    ) -> None:
        """`run` is the folder of checkpoint and curve; training goes on from what is there."""
        rate = fit.learning_rate
        groups = [
            {"params": list(network.encoder.parameters()), "lr": rate * fit.encoder_lr_scale},
            {"params": list(network.head.parameters()), "lr": rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=fit.weight_decay)
        super().__init__(network, optimizer, fit, seed=seed, run=run, report=report)
        self.examples = examples

    def batches(self, epoch: int) -> Iterator[tuple[int, Batch]]:
        """Batches of an epoch."""
        for batch in self.examples.batches(np.random.default_rng([self.seed, epoch])):
            yield 0, batch

    def loss(self, batch: Batch, task: int) -> tuple[Tensor, Tensor]:
        """The loss by labels, and the logits."""
        del task
        device = batch.features.device
        with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
            logits = self.network(batch.features)
        return (batch.weights * label_loss(self.fit, logits.float(), batch)).mean(), logits


@torch.no_grad()
def predict_copies(
    network: FinetunedEncoder, copies: MadeCopies, clip: Clip, numbers: Iterable[int]
) -> Probs:
    """Probabilities of each label, the mean over these copies of the whole clip."""
    rows = []
    for number in numbers:
        copies.make(clip, number)
        maps = torch.from_numpy(copies.get(clip, number).astype(np.float32))[None]
        rows.append(network(maps).softmax(1)[0].double().numpy())
    mean: Probs = np.mean(rows, axis=0)
    return mean
