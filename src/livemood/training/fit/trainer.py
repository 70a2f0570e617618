"""The loop over epochs that everything is trained by, with a checkpoint after each of them."""

import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from livemood.errors import ModelError, UsageError
from livemood.training.distributed.processes import Processes
from livemood.training.distributed.rows import SharedRows
from livemood.training.fit.batches import Batch
from livemood.training.network.checkpoint import CHECKPOINT, checkpoint_of
from livemood.training.recipe.sections import FitSection

log = logging.getLogger(__name__)

CURVE = "curve.jsonl"
CLIP_NORM = 5.0
"""Largest norm of a step's gradient."""
Report = Callable[[dict[str, Any]], None]
"""Told of each epoch: its number, how many there will be, loss, accuracy, validation, seconds."""


@dataclass
class TrainingState:
    """The state from which an interrupted run resumes."""

    network: nn.Module
    ema: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    epoch: int = 0
    best: dict[str, Tensor] | None = None
    """EMA weights of the epoch with the best validation."""
    curve: list[dict[str, Any]] = field(default_factory=list)

    def save(self, run: Path) -> None:
        """Write checkpoint and curve whole: whoever is killed leaves these or those before."""
        path = run / CHECKPOINT
        partial = path.with_suffix(".partial")
        parts = ("network", "ema", "optimizer", "schedule")
        state = {name: getattr(self, name).state_dict() for name in parts}
        torch.save(state | {"epoch": self.epoch, "best": self.best, "curve": self.curve}, partial)
        partial.replace(path)
        lines = "".join(json.dumps(r) + "\n" for r in self.curve)
        (run / CURVE).write_text(lines, "utf-8")

    def load(self, run: Path) -> None:
        """Go on from the checkpoint in `run`. Raises `ModelError` if it is of another network."""
        state = checkpoint_of(run)
        try:
            for name in ("network", "ema", "optimizer", "schedule"):
                getattr(self, name).load_state_dict(state[name])
        except (KeyError, ValueError, RuntimeError):
            raise ModelError(
                f"{run / CHECKPOINT} is of another network or version: choose another --out"
            ) from None
        self.epoch, self.best, self.curve = state["epoch"], state["best"], state["curve"]
        log.info("resumed after epoch %d", self.epoch)

    @property
    def since_best(self) -> int:
        """Epochs since the best validation."""
        scores = [row["validation_uar"] for row in self.curve if "validation_uar" in row]
        return len(scores) - 1 - int(np.argmax(scores)) if scores else 0


class Trainer(ABC):
    """Trains a network by a recipe's `fit`, and gives the moving average of its weights.

    Everything random in an epoch follows from the seed and its number, so that a run that was cut
    short and goes on from its checkpoint ends as an unbroken one does.

    Several processes draw the same batches. Each computes the loss of its share of the rows, and
    gradients are summed. Not `DistributedDataParallel`: it knows nothing of what goes across rows
    (`SharedRows`), and losses here do not come from `forward`. The first process alone writes.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        fit: FitSection,
        *,
        seed: int,
        run: Path,
        report: Report | None = None,
        processes: Processes | None = None,
    ) -> None:
        """`run` is the folder of checkpoint and curve. It goes on from what is there."""
        self.processes = processes or Processes()
        self.network, self.fit, self.seed, self.run, self.report = network, fit, seed, run, report
        epochs = fit.epochs
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda e: (
                min(1.0, (e + 1) / 2) * 0.5 * (1 + math.cos(math.pi * min(e, epochs) / epochs))
            ),
        )
        # The mean of recent weights: less at the mercy of the last few batches (Polyak averaging).
        averaging = get_ema_multi_avg_fn(fit.ema_decay)  # type: ignore[no-untyped-call]
        ema = AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)
        self.state = TrainingState(network, ema, optimizer, schedule)
        if (run / CHECKPOINT).is_file():
            self.state.load(run)
        self.processes.check_same(self.state.epoch, "the epoch that they go on from")

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[tuple[int, Batch]]:
        """Batches of an epoch, each with the number of its task; 0 is the main one."""

    @abstractmethod
    def loss(self, batch: Batch, task: int) -> tuple[Tensor, Tensor]:
        """The loss of a batch on the network's device, and the logits of its first head."""

    def begin_epoch(self, epoch: int) -> None:
        """Put the network into training."""
        del epoch
        self.network.train()

    def validate(self, network: nn.Module) -> float | None:
        """UAR of a network on validation speakers, in percent; none if there are none."""
        del network
        return None

    def train(self) -> nn.Module:
        """Train to the end: the moving average of the weights, on the CPU, in evaluation."""
        state, patience = self.state, self.fit.patience
        while state.epoch < self.fit.epochs and not (patience and state.since_best >= patience):
            began = time.monotonic()
            measured = self._epoch(state.epoch)
            state.schedule.step()
            state.epoch += 1
            row: dict[str, Any] = {"epoch": state.epoch, **measured}
            own = self.validate(state.ema.module) if self.processes.first else None
            validation = self.processes.from_first(own)
            if validation is not None:
                row["validation_uar"] = validation
            row["seconds"] = time.monotonic() - began
            state.curve.append(row)
            if validation is not None and not state.since_best:
                state.best = {k: v.clone() for k, v in state.ema.state_dict().items()}
            if self.processes.first:
                state.save(self.run)
            if self.report:
                self.report(row | {"epochs": self.fit.epochs})
        if state.best:
            state.ema.load_state_dict(state.best)
        return state.ema.module.cpu().eval()

    def _epoch(self, epoch: int) -> dict[str, float | None]:
        """Mean loss, and of the main task's labelled examples the share that were right."""
        torch.manual_seed(self.seed * 1000 + epoch)
        self.begin_epoch(epoch)
        device = next(self.network.parameters()).device
        losses, hits, count, drawn = [], 0.0, 0.0, False
        for task, on_host in self.batches(epoch):
            rows = len(on_host.targets)
            own = self.processes.share(rows)
            batch = on_host.rows(own).to(device)
            with self._across(rows):
                loss, logits = self.loss(batch, task)
                # Losses are means over rows: weighed so, those of all processes add up to theirs.
                loss = loss * (len(batch.targets) / self._computed(rows))
                self._step(loss)
            losses.append(loss.item())
            drawn = drawn or not task
            if not task and (rows >= self.processes.count or self.processes.first):
                labelled = batch.targets.sum(dim=1) > 0
                right = logits.argmax(1) == batch.targets.argmax(1)
                hits += int((right & labelled).sum())
                count += int(labelled.sum())
        *losses, hits, count = self._added([*losses, hits, count])
        if not drawn:
            raise UsageError(
                "there is nothing to train on: a batch needs two clips, each with speech of at "
                f"least {self.fit.shortest_s / 2:g} s"
            )
        return {"loss": float(np.mean(losses)), "accuracy": hits / count if count else None}

    def _across(self, rows: int) -> AbstractContextManager[object]:
        """What the rows of a batch share is shared by processes, if each has some of them."""
        alone = self.processes.count == 1 or rows < self.processes.count
        return nullcontext() if alone else SharedRows(self.processes, rows)

    def _computed(self, rows: int) -> int:
        """Rows of a batch that all processes compute: each has all of them if there are few."""
        return rows * self.processes.count if rows < self.processes.count else rows

    def _added(self, numbers: list[float]) -> list[float]:
        """Each number summed over processes."""
        out: list[float] = self.processes.sum(torch.tensor(numbers, dtype=torch.float64)).tolist()
        return out

    def _add_gradients(self) -> None:
        """Sum gradients over processes, all at once."""
        found = [p.grad for p in self.network.parameters() if p.grad is not None]
        if self.processes.count == 1 or not found:
            return
        total = self.processes.sum(torch.cat([gradient.flatten() for gradient in found]))
        parts = torch.split(total, [gradient.numel() for gradient in found])
        for gradient, part in zip(found, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _step(self, loss: Tensor) -> None:
        optimizer = self.state.optimizer
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._add_gradients()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        optimizer.step()
        self.state.ema.update_parameters(self.network)
