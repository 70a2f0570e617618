"""The trainer of voices that also learns from its target, by the method that a recipe names."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from livemood.training.adapt.aligned_steps import aligned
from livemood.training.adapt.contrastive import contrastive_loss
from livemood.training.adapt.distances import DISTANCES
from livemood.training.adapt.domains import domain_numbers
from livemood.training.adapt.gradient_reversal import DomainClassifier, ramp
from livemood.training.adapt.masked_prediction import MaskedPrediction, hidden
from livemood.training.adapt.pseudo_labels import confident
from livemood.training.adapt.weights import instance_weights
from livemood.training.fit.voice_trainer import (
    StepBatch,
    Target,
    VoiceData,
    VoiceTrainer,
    statistics_of,
)
from livemood.training.network.streaming_encoder import VoiceHead
from livemood.training.recipe.adapt import AdaptSection

TRAINED_WITH = ("domain_classifier", "contrast", "masked_prediction")
"""Parts of a head that only training needs."""
PROJECTION = 64
"""Values in which contrastive learning compares clips."""


class AdaptedVoiceTrainer(VoiceTrainer):
    """Trains a `VoiceHead` as `VoiceTrainer` does, and adapts it to a target.

    Methods that weigh clips or map features act before the first epoch. Those with a loss of their
    own act on pooled statistics, on one scale, in every batch. What only training needs is taken
    off the head in the end.
    """

    def __init__(
        self,
        head: VoiceHead,
        data: VoiceData,
        *args: Any,  # noqa: ANN401 - what `VoiceTrainer` takes
        adapt: AdaptSection,
        target: Target | None = None,
        **more: Any,  # noqa: ANN401
    ) -> None:
        """Takes what `VoiceTrainer` takes. `target` is there if the method learns from one."""
        self.adapt, self.target = adapt, target
        clips = [] if target is None else target.clips
        if adapt.method == "coral" and target is not None:
            data = replace(data, steps=aligned(data.clips, data.steps, target.steps))
        if adapt.method == "adversarial":
            self._domains = domain_numbers(data.clips, clips, adapt.over)
            self._domain_classifier = DomainClassifier(
                2 * head.pooled,
                int(self._domains.max()) + 1,
                steps=adapt.classifier_steps,
                decay=adapt.classifier_decay,
            )
            head.add_module("domain_classifier", self._domain_classifier)
        if adapt.method == "contrastive":
            self._projection = nn.Linear(2 * head.pooled, PROJECTION)
            head.add_module("contrast", self._projection)
        if adapt.method == "pretraining":
            width = len(head.input_mean)
            self._masked_prediction = MaskedPrediction(head.pooled, width)
            head.add_module("masked_prediction", self._masked_prediction)
        super().__init__(head, data, *args, **more)
        weights = instance_weights(
            adapt, data.clips, data.steps, None if target is None else target.steps
        )
        if weights is not None:
            self.weights = self.weights * weights
        self._pseudo: tuple[Tensor, Tensor, Tensor] | None = None

    def begin_epoch(self, epoch: int) -> None:
        """Label what the averaged network is sure of, if the method learns from that."""
        super().begin_epoch(epoch)
        self._progress = epoch / self.fit.epochs
        if self.adapt.method == "adversarial":
            self._domain_classifier.begin_epoch()
        if self.adapt.method == "self-training" and self._progress >= self.adapt.warm_up:
            self._pseudo = self._sure()

    def further_loss(self, batch: StepBatch, statistics: Tensor) -> Tensor:
        """The method's own loss, by its weight."""
        method, here = self.adapt.method, self._scaled(statistics)
        if method == "adversarial":
            return self._domain_loss(here, batch.clips)
        if method == "contrastive":
            found = contrastive_loss(
                self._projection(here), self._targets[batch.clips], self.adapt.temperature
            )
        elif method == "pretraining":
            over = self._progress >= self.adapt.pretraining
            return here.new_zeros(()) if over else self.adapt.own_weight * self._masked_loss(batch)
        elif method == "self-training":
            found = self._pseudo_label_loss(len(batch.clips))
        elif method in DISTANCES:
            found = DISTANCES[method](here, self._scaled(self._drawn(len(batch.clips))[0]))
        else:
            return super().further_loss(batch, statistics)
        return self.adapt.own_weight * ramp(self._progress) * found

    def train(self) -> VoiceHead:
        """Train to the end: the averaged head, as any other trainer gives it."""
        head = super().train()
        for name in TRAINED_WITH:
            head._modules.pop(name, None)
        if self.adapt.method == "target-statistics" and self.target is not None:
            self._rescale(head, self.target)
        return head

    def _domain_loss(self, here: Tensor, clips: Tensor) -> Tensor:
        values, domains = here, self._domains[clips]
        if self.target is not None:
            there, drawn = self._drawn(len(clips))
            values = torch.cat((here, self._scaled(there)))
            domains = torch.cat((domains, self._domains[len(self.data.clips) + drawn]))
        weight = self.adapt.own_weight * ramp(self._progress)
        out: Tensor = self._domain_classifier(values, domains, weight)
        return out

    def _masked_loss(self, batch: StepBatch) -> Tensor:
        head, x = self.network, batch.features
        mask = hidden(batch.present, x.shape[2])
        outputs, _ = head.steps(torch.where(mask, head.input_mean, x))
        values = (x - head.input_mean) * head.input_scale
        found: Tensor = self._masked_prediction(outputs, values, mask)
        return found

    def _pseudo_label_loss(self, count: int) -> Tensor:
        if self._pseudo is None or len(self._pseudo[0]) < 2:
            return self.network.output.weight.new_zeros(())
        rows, labels, weights = self._pseudo
        picked = torch.from_numpy(self._rng.integers(len(rows), size=count))
        logits = self.network.logits(self._drawn(count, rows[picked])[0])
        lost = functional.cross_entropy(
            logits, labels[picked], reduction="none", label_smoothing=self.fit.label_smoothing
        )
        return (weights[picked] * lost).mean()

    def _drawn(self, count: int, clips: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Statistics of clips of the target, drawn if none are given, and which those are."""
        assert self.target is not None  # noqa: S101 - the recipe's check
        if clips is None:
            clips = torch.from_numpy(self._rng.integers(len(self.target.clips), size=count))
        steps, present = self.target.steps.cut(clips, self._longest, self._rng)
        return self.network.pool(self.network.steps(steps)[0], present), clips

    def _scaled(self, statistics: Tensor) -> Tensor:
        return (statistics - self.network.centre) / self.network.spread

    @torch.no_grad()
    def _sure(self) -> tuple[Tensor, Tensor, Tensor]:
        """Clips of the target that the averaged head is sure of, their labels and weights."""
        assert self.target is not None  # noqa: S101 - the recipe's check
        head: Any = self.state.ema.module
        every = torch.arange(len(self.target.clips))
        head.eval()
        statistics = statistics_of(head, self.target.steps, every, self._longest)
        return confident(head.logits(statistics).softmax(1), self.adapt.confidence)

    @torch.no_grad()
    def _rescale(self, head: VoiceHead, target: Target) -> None:
        """Put the target's statistics where those of training speakers were (Li et al. 2017)."""
        every = torch.arange(len(target.clips))
        statistics = statistics_of(head, target.steps, every, self._longest)
        mean = statistics.mean(0)
        head.typical.add_(mean - head.centre)
        head.centre.copy_(mean)
        head.spread.copy_(statistics.std(0) + 1e-2)
