"""Training one network by one recipe, with a checkpoint after every epoch."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from livemood.errors import ModelError
from livemood.training.fit.batches import Batch, Examples
from livemood.training.fit.losses import loss_of
from livemood.training.fit.optimizer import optimizer_of, set_learning
from livemood.training.fit.teacher import Teacher, load_teacher
from livemood.training.fit.validation import Validation
from livemood.training.network.checkpoint import CHECKPOINT, checkpoint_of
from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.initial_weights import load_source
from livemood.training.recipe.schema import Recipe

log = logging.getLogger(__name__)

CURVE = "curve.jsonl"
Report = Callable[[dict[str, Any]], None]
"""Told of each epoch: its number, how many there will be, loss, accuracy, validation, seconds."""


@dataclass(frozen=True)
class Fitted:
    """A trained network and the standardisation that its features need."""

    network: DcRnn
    mean: float
    deviation: float


@dataclass
class State:
    """What a run can go on from."""

    network: torch.nn.Module
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    epoch: int = 0
    best: dict[str, torch.Tensor] | None = None
    """Averaged weights of the epoch with the best validation."""
    curve: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it whole: whoever is killed leaves this one or the one before."""
        partial = path.with_suffix(".partial")
        parts = ("network", "averaged", "optimizer", "schedule")
        state = {name: getattr(self, name).state_dict() for name in parts}
        torch.save(state | {"epoch": self.epoch, "best": self.best, "curve": self.curve}, partial)
        partial.replace(path)

    def keep(self, run: Path) -> None:
        """Write the checkpoint and the curve into the folder of the run."""
        self.save(run / CHECKPOINT)
        lines = "".join(json.dumps(r) + "\n" for r in self.curve)
        (run / CURVE).write_text(lines, "utf-8")

    def load(self, path: Path) -> None:
        """Go on from the checkpoint at `path`. Raises `ModelError` if it is of another network."""
        state = checkpoint_of(path.parent)
        try:
            for name in ("network", "averaged", "optimizer", "schedule"):
                getattr(self, name).load_state_dict(state[name])
        except (KeyError, ValueError, RuntimeError):
            raise ModelError(
                f"{path} is of another network or version: choose another --out"
            ) from None
        self.epoch, self.best, self.curve = state["epoch"], state["best"], state["curve"]
        log.info("resumed after epoch %d", self.epoch)

    @property
    def since_best(self) -> int:
        """Epochs since the best validation."""
        scores = [row["validation_uar"] for row in self.curve if "validation_uar" in row]
        return len(scores) - 1 - int(np.argmax(scores)) if scores else 0


def build_network(recipe: Recipe, sources: Path | None, teacher_width: int = 0) -> DcRnn:
    """The recipe's network, seeded, with its source's weights if it names one."""
    torch.manual_seed(recipe.seed)
    tasks = [len(task.labels) for task in recipe.tasks]
    mels = recipe.features.mels
    network = DcRnn(recipe.network, mels, len(recipe.labels), tasks, teacher_width)
    if recipe.network.source is not None:
        load_source(network, recipe.network, mels, sources)
    return network


def fit(
    recipe: Recipe,
    examples: Examples,
    sources: Path | None,
    run: Path,
    *,
    tasks: Sequence[Examples] = (),
    validation: Validation | None = None,
    device: torch.device | None = None,
    report: Report | None = None,
) -> Fitted:
    """Train by `recipe`, resuming from `run/checkpoint.pt` if training was cut short before.

    `tasks` are the examples of the recipe's further tasks, in order. Everything random in an epoch
    follows from the seed and its number, so that a resumed run ends as an unbroken one does.
    """
    device = device or torch.device("cpu")
    teacher = load_teacher(recipe, sources)
    width = teacher.width if teacher and recipe.distill.features else 0
    network = build_network(recipe, sources, width)
    # Channels last: about 1.5 times as fast on processors without bfloat16.
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = begin(recipe, network, optimizer_of(recipe, network))
    if teacher and recipe.augment.views:
        teacher.check_below(network.front, recipe.fit.kept)
    checkpoint = run / CHECKPOINT
    if checkpoint.is_file():
        state.load(checkpoint)
    teacher = teacher and teacher.to(device)
    epochs, patience = recipe.fit.epochs, recipe.fit.patience
    while state.epoch < epochs and not (patience and state.since_best >= patience):
        began = time.monotonic()
        loss, accuracy = _epoch(
            recipe,
            network,
            state.averaged,
            teacher,
            (examples, *tasks),
            state.optimizer,
            state.epoch,
        )
        state.schedule.step()
        state.epoch += 1
        row = {"epoch": state.epoch, "loss": loss, "accuracy": accuracy}
        if validation:
            mean = cast(DcRnn, state.averaged.module)
            row["validation_uar"] = validation.uar(mean, examples.mean, examples.deviation)
        row["seconds"] = time.monotonic() - began
        state.curve.append(row)
        if validation and not state.since_best:
            state.best = {k: v.clone() for k, v in state.averaged.state_dict().items()}
        state.keep(run)
        if report:
            report(row | {"epochs": epochs})
    if state.best:
        state.averaged.load_state_dict(state.best)
    network = cast(DcRnn, state.averaged.module).cpu().eval()
    network.tasks, network.nearer = torch.nn.ModuleList(), None
    return Fitted(network, examples.mean, examples.deviation)


def begin(recipe: Recipe, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """Where a run stands before its first epoch."""
    epochs = recipe.fit.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda e: min(1.0, (e + 1) / 2) * 0.5 * (1 + math.cos(math.pi * min(e, epochs) / epochs)),
    )
    # The mean of recent weights: less at the mercy of the last few batches (Polyak averaging).
    averaging = get_ema_multi_avg_fn(recipe.fit.averaging)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)
    return State(network, averaged, optimizer, schedule)


def _epoch(
    recipe: Recipe,
    network: DcRnn,
    averaged: AveragedModel,
    teacher: Teacher | None,
    tasks: Sequence[Examples],
    optimizer: torch.optim.Optimizer,
    epoch: int,
) -> tuple[float, float]:
    """Train one epoch; the mean loss, and the share of the main task's examples that were right."""
    torch.manual_seed(recipe.seed * 1000 + epoch)
    set_learning(recipe, network, epoch)
    device = next(network.parameters()).device
    losses, hits, count = [], 0, 0
    for task, on_host in _batches(recipe, tasks, epoch):
        batch = on_host.to(device)
        loss, logits = loss_of(recipe, network, teacher, batch, task - 1)
        if task:
            loss = loss * recipe.tasks[task - 1].weight
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        averaged.update_parameters(network)
        losses.append(loss.item())
        if not task:
            hits += int((logits.argmax(1) == batch.targets.argmax(1)).sum())
            count += len(logits)
    return float(np.mean(losses)), hits / count


def _batches(recipe: Recipe, tasks: Sequence[Examples], epoch: int) -> Iterator[tuple[int, Batch]]:
    """Batches of the main task and, in turn with them, of each further one, until all are used."""
    seeds = [[recipe.seed, epoch], *([recipe.seed, epoch, n] for n in range(1, len(tasks)))]
    waiting = {
        n: task.batches(np.random.default_rng(seed))
        for n, (task, seed) in enumerate(zip(tasks, seeds, strict=True))
    }
    while waiting:
        for number in list(waiting):
            batch = next(waiting[number], None)
            if batch is None:
                del waiting[number]
            else:
                yield number, batch
