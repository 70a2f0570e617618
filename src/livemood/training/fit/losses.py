"""What a network learns from: labels, soft labels, a teacher's features."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from livemood.training.fit.batches import Batch
from livemood.training.fit.teacher import Teacher, distilled
from livemood.training.network.dcrnn import DcRnn
from livemood.training.recipe.schema import Recipe


def loss_of(
    recipe: Recipe,
    network: DcRnn,
    teacher: Teacher | None,
    batch: Batch,
    task: int = -1,
) -> tuple[Tensor, Tensor]:
    """The loss of a batch, and the logits of its first head. `task` is a further one's number."""
    device = batch.features.device
    with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
        heads, steps = network.read(batch.features, task)
    soft, near = teacher(batch.features) if teacher and task < 0 else (None, None)
    labelled = batch.targets.sum(dim=1)
    terms = list(_soft_targets(batch, soft, labelled))
    by_head = [
        (batch.weights * _losses(recipe, head, batch, labelled, terms)).mean() for head in heads
    ]
    loss = torch.stack(by_head).mean()
    if network.nearer is not None and near is not None and recipe.distill.features:
        distance = 1 - functional.cosine_similarity(network.nearer(steps.float()), near, dim=-1)
        loss = loss + recipe.distill.features * distance.mean()
    if recipe.fit.l1:
        loss = loss + recipe.fit.l1 * sum(
            p.abs().sum() for p in network.parameters() if p.requires_grad and p.ndim > 1
        )
    return loss, heads[0]


def _soft_targets(
    batch: Batch, soft: Tensor | None, labelled: Tensor
) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """What teachers say, for which share of each example, and whether it is softened already."""
    if soft is not None:
        yield soft, torch.ones_like(labelled), True
    if batch.soft is not None:
        yield batch.soft, batch.soft.sum(dim=1), False


def _losses(
    recipe: Recipe,
    logits: Tensor,
    batch: Batch,
    labelled: Tensor,
    terms: list[tuple[Tensor, Tensor, bool]],
) -> Tensor:
    """The loss of each example, by its label and by what teachers say of it."""
    hard = by_label(recipe, logits.float(), batch)
    if not terms:
        return hard
    hard = hard * labelled
    share, heat = recipe.distill.share, recipe.distill.temperature
    total = torch.zeros_like(hard)
    for soft, told, softened in terms:
        # Asked beforehand, a teacher gave plain probabilities: softened here as logits would be.
        warm = soft if softened else _warmed(soft, told, heat)
        learnt = distilled(logits, warm, heat)
        total = total + (1 - share * told) * hard + share * learnt
    return total / len(terms)


def by_label(recipe: Recipe, logits: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of each example among the labels that it is asked about."""
    smoothing, targets = recipe.fit.label_smoothing, batch.targets
    if batch.asked is not None:
        even = batch.asked / batch.asked.sum(dim=1, keepdim=True)
        targets = (1 - smoothing) * targets + smoothing * even * targets.sum(dim=1, keepdim=True)
        less = math.log(recipe.fit.others) if recipe.fit.others else -1e4
        logits = logits + less * (batch.asked == 0)
        smoothing = 0.0
    return functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")


def _warmed(soft: Tensor, told: Tensor, heat: float) -> Tensor:
    powered = soft.clamp_min(1e-8) ** (1 / heat)
    return powered / powered.sum(dim=1, keepdim=True) * told.unsqueeze(1)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether this device computes in bfloat16; emulated, it is several times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())
