"""Training one network by one recipe, with a checkpoint after every epoch."""

import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from livemood.training.examples import Examples
from livemood.training.network import DcRnn
from livemood.training.recipe import Recipe
from livemood.training.sources import load_source
from livemood.training.teacher import Teacher, distilled, load_teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A trained network and the standardisation that its features need."""

    network: DcRnn
    mean: float
    deviation: float


def build_network(recipe: Recipe, sources: Path | None) -> DcRnn:
    """The recipe's network, seeded, with its source's weights if it names one."""
    torch.manual_seed(recipe.seed)
    network = DcRnn(recipe.network, recipe.features.mels, len(recipe.labels))
    if recipe.network.source is not None:
        load_source(network, recipe.network, recipe.features.mels, sources)
    return network


def fit(recipe: Recipe, examples: Examples, sources: Path | None, run: Path) -> Fitted:
    """Train by `recipe`, resuming from `run/checkpoint.pt` if training was cut short before."""
    # Channels last: about 1.5 times as fast on processors without bfloat16.
    network = build_network(recipe, sources).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    teacher = load_teacher(recipe, sources)
    frozen = recipe.network.source is not None and recipe.fit.source_rate == 0
    if frozen:
        network.front.requires_grad_(False)
    part = recipe.network
    given = {id(p) for p in network.transferred(part.source_head)} if part.source else set()
    rate = recipe.fit.learning_rate
    groups = [
        {"params": [p for p in network.parameters() if id(p) not in given], "lr": rate},
        {
            "params": [p for p in network.parameters() if id(p) in given and not frozen],
            "lr": rate * recipe.fit.source_rate,
        },
    ]
    optimizer = torch.optim.AdamW(
        [g for g in groups if g["params"]], weight_decay=recipe.fit.weight_decay
    )
    epochs = recipe.fit.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda e: min(1.0, (e + 1) / 2) * 0.5 * (1 + math.cos(math.pi * min(e, epochs) / epochs)),
    )
    # The mean of recent weights: less at the mercy of the last few batches (Polyak averaging).
    averaging = get_ema_multi_avg_fn(recipe.fit.averaging)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)
    checkpoint = run / "checkpoint.pt"
    first = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
        log.info("resumed after epoch %d", first)
    for epoch in range(first, epochs):
        began = time.monotonic()
        loss, accuracy = _epoch(recipe, network, averaged, teacher, examples, optimizer, epoch)
        schedule.step()
        seconds = time.monotonic() - began
        log.info(
            "epoch %d/%d loss %.4f accuracy %.3f %.0f s", epoch + 1, epochs, loss, accuracy, seconds
        )
        with (run / "curve.jsonl").open("a") as curve:
            row = {"epoch": epoch + 1, "loss": loss, "accuracy": accuracy, "seconds": seconds}
            curve.write(json.dumps(row) + "\n")
        partial = checkpoint.with_suffix(".partial")
        torch.save(
            {
                "network": network.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "epoch": epoch + 1,
            },
            partial,
        )
        partial.replace(checkpoint)
    return Fitted(cast(DcRnn, averaged.module).eval(), examples.mean, examples.deviation)


def load_fitted(recipe: Recipe, run: Path) -> DcRnn:
    """The network as it stands in the checkpoint of `run`."""
    network = DcRnn(recipe.network, recipe.features.mels, len(recipe.labels))
    averaged = AveragedModel(network, use_buffers=True)
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    averaged.load_state_dict(state["averaged"])
    return cast(DcRnn, averaged.module).eval()


def _epoch(
    recipe: Recipe,
    network: DcRnn,
    averaged: AveragedModel,
    teacher: Teacher | None,
    examples: Examples,
    optimizer: torch.optim.Optimizer,
    epoch: int,
) -> tuple[float, float]:
    """Train one epoch; everything random in it follows from the seed and its number."""
    rng = np.random.default_rng([recipe.seed, epoch])
    torch.manual_seed(recipe.seed * 1000 + epoch)
    network.train()
    if recipe.network.source is not None and recipe.fit.source_rate == 0:
        network.front.eval()  # a frozen source keeps its statistics too
    losses, hits, count = [], 0, 0
    for features, targets in examples.batches(rng):
        with torch.autocast("cpu", torch.bfloat16, enabled=_fast_bfloat16()):
            heads = network.heads(features)
        soft = teacher(features) if teacher else None
        weights = (targets * examples.class_weights).sum(dim=1)
        losses_by_head = [(weights * _losses(recipe, head, targets, soft)).mean() for head in heads]
        loss = torch.stack(losses_by_head).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        averaged.update_parameters(network)
        losses.append(loss.item())
        hits += int((heads[0].argmax(1) == targets.argmax(1)).sum())
        count += len(targets)
    return float(np.mean(losses)), hits / count


def _losses(recipe: Recipe, logits: Tensor, targets: Tensor, soft: Tensor | None) -> Tensor:
    """The loss of each example, by its label and by what the teacher says of it."""
    smoothing = recipe.fit.label_smoothing
    hard = functional.cross_entropy(
        logits.float(), targets, label_smoothing=smoothing, reduction="none"
    )
    if soft is None:
        return hard
    share = recipe.distill.share
    return (1 - share) * hard + share * distilled(logits, soft, recipe.distill.temperature)


def _fast_bfloat16() -> bool:
    """Whether this processor computes in bfloat16; emulated, it is several times slower."""
    return bool(torch.cpu._is_avx512_bf16_supported())
