"""Training the head of a streaming encoder: labels, baselines of any length, not-speech."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from livemood.training.data.clips import Clip
from livemood.training.evaluation.metrics import confusion_matrix, uar
from livemood.training.evaluation.perturbation import fgsm, virtual_adversarial_loss
from livemood.training.fit.batches import Batch
from livemood.training.fit.frozen_steps import StepSet
from livemood.training.fit.losses import rating_loss, ratings_of
from livemood.training.fit.trainer import Report, Trainer
from livemood.training.fit.voices import VoicePool, draw_odds, rows_of
from livemood.training.network.streaming_encoder import VoiceHead
from livemood.training.recipe.sections import FitSection, RatingsSection
from livemood.training.recipe.voices import VoicesSection

CHUNK = 256
"""Clips that are read at a time where nothing is learnt."""
STATE_CARRYOVER = 0.5
"""Share of examples whose recurrence begins where another example ended."""


@dataclass(frozen=True, slots=True)
class StepBatch(Batch):
    """Examples of several lengths, filled up to the longest: features are steps of an encoder."""

    present: Tensor = field(kw_only=True)
    """Which steps are the clips', (batch, steps)."""
    clips: Tensor = field(kw_only=True)
    """Which clips they are, (batch,)."""

    def to(self, device: torch.device) -> "StepBatch":
        """The same on another device."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return StepBatch(**{k: None if v is None else v.to(device) for k, v in parts.items()})  # type: ignore[arg-type]


@dataclass(frozen=True)
class VoiceData:
    """Training data of a head."""

    clips: Sequence[Clip]
    shares: Sequence[float]
    steps: StepSet
    validation: Sequence[Clip] = ()
    validation_steps: StepSet | None = None


@dataclass(frozen=True)
class Target:
    """Unlabelled speech of a domain that a head is adapted to."""

    clips: Sequence[Clip]
    steps: StepSet


class VoiceTrainer(Trainer):
    """Trains a `VoiceHead` on steps of a frozen encoder.

    Examples are drawn so that in each corpus every label comes as often as every other, but
    neutral as the recipe says. Some come with a baseline of their speaker; those without are moved
    towards other voices.
    """

    network: VoiceHead

    def __init__(
        self,
        head: VoiceHead,
        data: VoiceData,
        labels: Sequence[str],
        fit: FitSection,
        voices: VoicesSection,
        mixup: float,
        *,
        longest: int,
        seed: int,
        run: Path,
        ratings: RatingsSection = RatingsSection(),  # noqa: B008 - it is frozen
        report: Report | None = None,
    ) -> None:
        """`longest` is the most steps of an example; `run` has checkpoint and curve."""
        self.data, self.labels, self.voices = data, labels, voices
        self._mixup, self._longest = mixup, longest
        decay = fit.weight_decay
        optimizer = torch.optim.AdamW(
            head.parameters(), fit.learning_rate, (0.9, 0.98), weight_decay=decay
        )
        rng = np.random.default_rng(seed)
        seconds = data.steps.lengths[0] * 0.08
        self._pool = VoicePool(data.clips, voices, seconds.float(), rng)
        self._targets = torch.tensor([labels.index(clip.label) for clip in data.clips])
        self.weights = torch.tensor([clip.weight for clip in data.clips])
        self._ratings, self._rated = ratings, ratings_of(data.clips, ratings.learn)
        self._odds = draw_odds(data.clips, data.shares, voices)
        self._allowed = _labels_of_corpora(data.clips, labels)
        self._neutral = labels.index(voices.neutral)
        self._copies = len(data.steps.steps)
        self._last: Tensor | None = None
        if not (run / "checkpoint.pt").is_file():
            _standardise(head, data.steps)
        super().__init__(head, optimizer, fit, seed=seed, run=run, report=report)

    def begin_epoch(self, epoch: int) -> None:
        """Read the clips that baselines are drawn from anew, by the averaged network."""
        self._rng = np.random.default_rng([self.seed, epoch])
        self._generator = torch.Generator().manual_seed(self.seed * 1000 + epoch)
        self._last = None
        self.refresh(cast(VoiceHead, self.state.ema.module), epoch % self._copies)
        self.network.train()

    def refresh(self, mean: VoiceHead, copy: int = 0) -> None:
        """Statistics of training speakers by `mean`, into it and the network."""
        statistics = statistics_of(mean, self.data.steps, self._pool.picked, self._longest, copy)
        with torch.no_grad():
            neutral = mean.logits(statistics).softmax(1)[:, self._neutral]
        self._pool.refresh(statistics, neutral, mean, self.network)

    def batches(self, epoch: int) -> Iterator[tuple[int, Batch]]:
        """As many examples as there are clips, drawn by their odds."""
        del epoch
        size, count = self.fit.batch_size, len(self.data.clips)
        for _ in range(max(1, count // size)):
            clips = torch.from_numpy(self._rng.choice(count, size, p=self._odds))
            yield 0, self._batch(clips)

    def _batch(self, clips: Tensor) -> StepBatch:
        copy = int(self._rng.integers(self._copies))
        steps, present = self.data.steps.cut(clips, self._longest, self._rng, copy)
        allowed = self._allowed[clips]
        eye = torch.eye(len(self.labels))[self._targets[clips]]
        smooth = self.fit.label_smoothing
        spread = allowed / allowed.sum(1, keepdim=True)
        targets, weights = (1 - smooth) * eye + smooth * spread, self.weights[clips]
        return StepBatch(steps, targets, weights, allowed, present=present, clips=clips)

    def loss(self, batch: Batch, task: int) -> tuple[Tensor, Tensor]:
        """Cross entropy over all labels and over those of each example's corpus, and logits."""
        del task
        given = cast(StepBatch, batch)
        outputs, present, targets = self._step_outputs(given.features), given.present, given.targets
        allowed, shift = cast(Tensor, given.label_mask), self._shift(given.clips)
        weights, rated = given.weights, self._rated[given.clips]
        if self._mixup:
            share = float(self._rng.beta(self._mixup, self._mixup))
            share = max(share, 1 - share)
            other = torch.from_numpy(self._rng.permutation(len(outputs)))
            both = (present & present[other]).unsqueeze(2)
            outputs = torch.where(both, share * outputs + (1 - share) * outputs[other], outputs)
            targets = share * targets + (1 - share) * targets[other]
            shift = share * shift + (1 - share) * shift[other]
            allowed = allowed.maximum(allowed[other])
            weights = share * weights + (1 - share) * weights[other]
            rated = share * rated + (1 - share) * rated[other]
        statistics = self.network.pool(outputs, present)
        logits = self.network.logits(statistics, shift)
        masked = logits.masked_fill(allowed == 0, -30.0)
        everywhere, inside = (-(targets * x.log_softmax(1)).sum(1) for x in (logits, masked))
        weight = self.fit.masked_label_weight
        loss = (weights * (weight * everywhere + (1 - weight) * inside)).mean()
        if self._ratings.learn:
            told = self.network.rate(statistics, shift)
            loss = loss + self._ratings.weight * rating_loss(told, rated, self._ratings.loss)
        loss = loss + self.further_loss(given, statistics)
        return loss + robust_loss(self.network, given, self.fit), logits

    def further_loss(self, batch: StepBatch, statistics: Tensor) -> Tensor:
        """What is learnt beside the labels; nothing here. `statistics` are (batch, values)."""
        del batch
        return statistics.new_zeros(())

    def _step_outputs(self, steps: Tensor) -> Tensor:
        """Outputs of the steps. Speech outlasts a window, so some go on from another's end."""
        state = torch.zeros(len(steps), self.network.units)
        if self._last is not None and len(self._last) == len(steps):
            carry = torch.from_numpy(self._rng.random((len(steps), 1)) < STATE_CARRYOVER)
            state = torch.where(carry, self._last.roll(1, 0), state)
        outputs, last = self.network.steps(steps, state)
        self._last = last.detach()
        return outputs

    def _shift(self, clips: Tensor) -> Tensor:
        """What is taken from the statistics of clips: baselines, and differences of voices."""
        v, count = self.voices, len(clips)
        if not (v.baseline_share or v.spread):
            return torch.zeros(count, 2 * self.network.pooled)
        short = self._rng.random(count) < 0.5
        most = np.where(short, min(10.0, v.longest_s), v.longest_s)
        known = self._rng.random(count) < v.baseline_share
        seconds = torch.from_numpy(self._rng.random(count) * most * known).float()
        with torch.no_grad():
            shift, counts = self._pool.baselines(clips, seconds, self.network, self._generator)
            other = self._pool.other_voices(count, self._generator) * v.spread
            moved = torch.from_numpy(self._rng.random((count, 1)) < 0.7)
            return shift + (1 - counts) * other * moved

    def validate(self, network: nn.Module) -> float | None:
        """UAR on validation speakers without a baseline, the mean over corpora, in percent."""
        if self.data.validation_steps is None:
            return None
        head, clips = cast(VoiceHead, network).eval(), self.data.validation
        every = torch.arange(len(clips))
        statistics = statistics_of(head, self.data.validation_steps, every, self._longest)
        with torch.no_grad():
            probabilities = head.logits(statistics).softmax(1).double().numpy()
        truth = np.array([self.labels.index(clip.label) for clip in clips])
        corpora = np.array([clip.corpus for clip in clips])
        found = [uar(confusion_matrix(truth[h], probabilities[h])) for h in rows_of(corpora)]
        return 100 * float(np.mean(found))

    def train(self) -> VoiceHead:
        """Train to the end: the averaged head, with statistics of training speakers as it ends."""
        head = cast(VoiceHead, super().train())
        self.refresh(head)
        return head


def robust_loss(head: VoiceHead, batch: StepBatch, fit: FitSection) -> Tensor:
    """The loss on examples that were moved to mislead the head, by the weights in `fit`."""
    x, total = batch.features, batch.weights.new_zeros(())
    if not (fit.adversarial_weight or fit.virtual_adversarial_weight):
        return total

    def logits(moved: Tensor) -> Tensor:
        return head.logits(head.pool(head.steps(moved)[0], batch.present))

    def lost(moved: Tensor) -> Tensor:
        return -(batch.targets * logits(moved).log_softmax(1)).sum(1)

    radius = fit.perturbation / head.input_scale
    head.eval()  # what is dropped out would else decide how far predictions move
    if fit.adversarial_weight:
        total = total + fit.adversarial_weight * lost(fgsm(lost, x, radius)).mean()
    if fit.virtual_adversarial_weight:
        moved = virtual_adversarial_loss(logits, x, radius)
        total = total + fit.virtual_adversarial_weight * moved
    head.train()
    return total


@torch.no_grad()
def statistics_of(
    head: VoiceHead, steps: StepSet, clips: Tensor, longest: int, copy: int = 0
) -> Tensor:
    """Pooled statistics (clips, values) of the first `longest` steps of clips."""
    head.eval()
    found = []
    for part in torch.split(clips, CHUNK):
        x, present = steps.cut(part, longest, copy=copy)
        found.append(head.pool(head.steps(x)[0], present))
    return torch.cat(found)


def _labels_of_corpora(clips: Sequence[Clip], labels: Sequence[str]) -> Tensor:
    """1 for each label that any clip of the same corpus has, (clips, labels)."""
    has = {(clip.corpus, clip.label) for clip in clips}
    return torch.tensor([[float((c.corpus, label) in has) for label in labels] for c in clips])


def _standardise(head: VoiceHead, steps: StepSet) -> None:
    """Let the head put the encoder's values on one scale."""
    some = steps.steps[0][:: max(1, len(steps.steps[0]) // 20000)].float()
    head.input_mean.copy_(some.mean(0))
    head.input_scale.copy_(1 / (some.std(0) + 1e-3))


def learn_not_speech(
    head: VoiceHead, speech: Tensor, sounds: Tensor, *, decay: float = 1e-3
) -> None:
    """Fit the not-speech output on the mean step outputs of clips (clips, pooled).

    A logistic regression, in which both kinds count the same.
    """
    every = torch.cat((speech, sounds))
    truth = torch.cat((torch.zeros(len(speech)), torch.ones(len(sounds))))
    weights = torch.where(truth > 0, 0.5 / len(sounds), 0.5 / len(speech))
    mean, scale = every.mean(0), every.std(0) + 1e-3
    layer = nn.Linear(every.shape[1], 1)
    nn.init.zeros_(layer.weight)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = layer((every - mean) / scale)[:, 0]
        lost = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        total: Tensor = (weights * lost).sum() + decay * layer.weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        weight = layer.weight / scale
        head.speech.weight.copy_(weight)
        head.speech.bias.copy_(layer.bias - weight[0] @ mean)


def teach_not_speech(head: VoiceHead, speech: StepSet, sounds: StepSet, longest: int) -> None:
    """Teach the head which sounds are no speech."""
    told = (
        means_of(head, steps, torch.arange(steps.lengths.shape[1]), longest)
        for steps in (speech, sounds)
    )
    learn_not_speech(head, *told)


@torch.no_grad()
def means_of(head: VoiceHead, steps: StepSet, clips: Tensor, longest: int) -> Tensor:
    """The mean output (clips, pooled) of the first `longest` steps of clips."""
    head.eval()
    found = []
    for part in torch.split(clips, CHUNK):
        x, present = steps.cut(part, longest)
        outputs = head.steps(x)[0] * present[..., None]
        found.append(outputs.sum(1) / present.sum(1, keepdim=True))
    return torch.cat(found)
