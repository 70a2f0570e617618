"""Losses: labels, soft labels, a teacher's features, ratings."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from livemood.errors import UsageError
from livemood.training.data.clips import Clip
from livemood.training.fit.batches import Batch
from livemood.training.network.base import EmotionNetwork
from livemood.training.recipe.sections import DistillSection, FitSection

FEWEST_RATED: Final = 10
"""Clips that a dimension is learnt from, at least."""
AskTeacher = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From features to probabilities at the temperature, (batch, labels), and the steps below them."""


def network_loss(
    fit: FitSection,
    distill: DistillSection,
    network: EmotionNetwork,
    batch: Batch,
    teacher: AskTeacher | None = None,
    task: int = -1,
) -> tuple[Tensor, Tensor]:
    """The loss of a batch, and the logits of its first head. `task` is a further one's number."""
    device = batch.features.device
    with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
        heads, steps = network.heads_and_steps(batch.features, task)
    soft, near = teacher(batch.features) if teacher and task < 0 else (None, None)
    labelled = batch.targets.sum(dim=1)
    terms = list(_soft_targets(batch, soft, labelled))
    by_head = [
        (batch.weights * _example_losses(fit, distill, head, batch, labelled, terms)).mean()
        for head in heads
    ]
    loss = torch.stack(by_head).mean()
    projection = network.teacher_projection
    if projection is not None and near is not None and distill.feature_weight:
        distance = 1 - functional.cosine_similarity(projection(steps.float()), near, dim=-1)
        loss = loss + distill.feature_weight * distance.mean()
    if fit.l1:
        loss = loss + fit.l1 * sum(
            p.abs().sum() for p in network.parameters() if p.requires_grad and p.ndim > 1
        )
    return loss, heads[0]


def label_loss(fit: FitSection, logits: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of each example among the labels that its mask leaves."""
    smoothing, targets = fit.label_smoothing, batch.targets
    if batch.label_mask is not None:
        even = batch.label_mask / batch.label_mask.sum(dim=1, keepdim=True)
        targets = (1 - smoothing) * targets + smoothing * even * targets.sum(dim=1, keepdim=True)
        weight = math.log(fit.masked_label_weight) if fit.masked_label_weight else -1e4
        logits = logits + weight * (batch.label_mask == 0)
        smoothing = 0.0
    return functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")


def distillation_loss(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """Cross entropy of `logits` against soft labels, one for each row, of the labels' scale."""
    log = functional.log_softmax(logits.float() / temperature, dim=1)
    return -(soft * log).sum(dim=1) * temperature**2


def fast_bfloat16(device: torch.device) -> bool:
    """Whether this device computes in bfloat16; emulated, it is several times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())


def _soft_targets(
    batch: Batch, soft: Tensor | None, labelled: Tensor
) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Soft labels, for which share of each example, and whether they are softened already."""
    if soft is not None:
        yield soft, torch.ones_like(labelled), True
    if batch.soft_labels is not None:
        yield batch.soft_labels, batch.soft_labels.sum(dim=1), False


def _example_losses(
    fit: FitSection,
    distill: DistillSection,
    logits: Tensor,
    batch: Batch,
    labelled: Tensor,
    terms: list[tuple[Tensor, Tensor, bool]],
) -> Tensor:
    """The loss of each example, by its label and by its soft labels."""
    hard = label_loss(fit, logits.float(), batch)
    if not terms:
        return hard
    hard = hard * labelled
    weight, temperature = distill.soft_label_weight, distill.temperature
    total = torch.zeros_like(hard)
    for soft, known, softened in terms:
        # Those of a table are plain probabilities: softened here as logits would be.
        warm = soft if softened else _softened(soft, known, temperature)
        learnt = distillation_loss(logits, warm, temperature)
        total = total + (1 - weight * known) * hard + weight * learnt
    return total / len(terms)


def _softened(soft: Tensor, known: Tensor, temperature: float) -> Tensor:
    powered = soft.clamp_min(1e-8) ** (1 / temperature)
    return powered / powered.sum(dim=1, keepdim=True) * known.unsqueeze(1)


def ratings_of(clips: Sequence[Clip], learn: Sequence[str]) -> Tensor:
    """How clips were rated, (clips, dimensions); not a number where nobody did.

    Raises `UsageError` for a dimension that fewer than `FEWEST_RATED` clips have.
    """
    rows = [[math.nan if (r := getattr(c, name)) is None else r for name in learn] for c in clips]
    found = torch.tensor(rows, dtype=torch.float32).reshape(len(clips), len(learn))
    for name, count in zip(learn, (~found.isnan()).sum(0).tolist(), strict=True):
        if count < FEWEST_RATED:
            raise UsageError(
                f"to learn {name} needs {FEWEST_RATED} clips with a rating in the column {name}: "
                f"there are {count}"
            )
    return found


def rating_loss(told: Tensor, rated: Tensor, kind: str) -> Tensor:
    """The mean over dimensions of 1 - CCC (Lin 1989), or with `mse` of the mean square error.

    `told` and `rated` are (examples, dimensions). Examples that were not rated (not a number) do
    not count, nor does a dimension of which fewer than three examples were.
    """
    losses = []
    for own, true in zip(told.T, rated.T, strict=True):
        there = ~true.isnan()
        own, true = own[there], true[there]
        if len(true) < 3:
            continue
        if kind == "mse":
            losses.append((own - true).square().mean())
            continue
        means, around = (own.mean(), true.mean()), (own - own.mean(), true - true.mean())
        together = 2 * (around[0] * around[1]).mean()
        spread = sum(a.square().mean() for a in around) + (means[0] - means[1]).square()
        losses.append(1 - together / (spread + 1e-6))
    return torch.stack(losses).mean() if losses else told.sum() * 0.0
