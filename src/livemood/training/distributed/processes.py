"""The processes of one training, and what they say to each other.

`torchrun` starts them and tells each its number by its environment. Where it did not, there is one.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
from torch import Tensor, distributed

from livemood.errors import LivemoodError, UsageError

TIMEOUT = timedelta(hours=6)
"""Others wait so long for the first, which may read a large corpus or measure a model meanwhile."""


@dataclass(frozen=True)
class Processes:
    """One process among those that train together; by default the only one."""

    number: int = 0
    """Of this one, from 0."""
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where tensors must lie to be sent."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.number == 0

    def share(self, rows: int) -> slice:
        """Which of so many rows are this process's; shares differ by one row at most.

        All of them, if there are fewer rows than processes.
        """
        if rows < self.count:
            return slice(0, rows)
        return slice(rows * self.number // self.count, rows * (self.number + 1) // self.count)

    def sum(self, own: Tensor) -> Tensor:
        """The sum of this tensor over all processes, the same in each, on its device.

        Gradients pass. Raises `LivemoodError` if another process has ended.
        """
        if self.count == 1:
            return own
        total: Tensor = _Sum.apply(own.to(self.device))  # type: ignore[no-untyped-call]
        return total.to(own.device)

    def from_first(self, value: float | None) -> float | None:
        """What the first process says; what the others give does not count."""
        if self.count == 1:
            return value
        told = value if self.first else 0.0
        given = torch.tensor([told is not None, told or 0.0], dtype=torch.float64)
        known, number = self.sum(given if self.first else torch.zeros_like(given)).tolist()
        return number if known else None

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process finish what is inside before the others begin it.

        If it fails, it says why, and they never begin.
        """
        if not self.first:
            self.sum(torch.zeros(1))
        yield
        if self.first:
            self.sum(torch.zeros(1))

    def check_same(self, value: float, what: str) -> None:
        """Raise `LivemoodError` unless `value` is the same in all processes; `what` names it."""
        told = self.from_first(value)
        differs = self.sum(torch.tensor([float(told != value)])).item()
        if differs:
            raise LivemoodError(
                f"processes of this training differ in {what}: give all the same command, and an "
                "--out and --corpora that all of them see"
            )


class _Sum(torch.autograd.Function):
    """A sum over processes. Each process's loss depends on it, so gradients are summed as well."""

    @staticmethod
    def forward(context: object, own: Tensor) -> Tensor:
        del context
        return _summed(own)

    @staticmethod
    def backward(context: object, *gradients: Tensor) -> Tensor:
        del context
        return _summed(gradients[0])


def _summed(own: Tensor) -> Tensor:
    out = own.detach().clone(memory_format=torch.contiguous_format)
    try:
        distributed.all_reduce(out)
    except RuntimeError:  # gloo's and NCCL's errors alike
        raise _ended() from None
    return out


def _ended() -> LivemoodError:
    return LivemoodError(
        "another process of this training ended: see what it said. The same command goes on from "
        "the last checkpoint"
    )


def started_together(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes `torchrun` has started. Raises `UsageError` if that is not a number."""
    text = environment.get("WORLD_SIZE", "1")
    if not text.isdecimal() or not int(text):
        raise UsageError(f"WORLD_SIZE is {text!r}, not a number of processes: start with torchrun")
    return int(text)


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that `torchrun` started: by gloo on a CPU, by NCCL on GPUs.

    Raises `UsageError` if they cannot be joined as they were started.
    """
    count = started_together()
    if count == 1:
        yield Processes()
        return
    names = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in names if name not in os.environ]:
        raise UsageError(f"WORLD_SIZE is {count}, but {missing[0]} is not set: start with torchrun")
    if device.type == "cuda":
        place, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= gpus:
            raise UsageError(
                f"process {place} of this machine has no GPU, there are {gpus}: start with "
                f"--nproc-per-node {gpus}, or train with --device cpu"
            )
        torch.cuda.set_device(place)
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise LivemoodError(f"cannot join the other processes of this training: {reason}") from None
    yield Processes(distributed.get_rank(), count, torch.device(device.type))
    distributed.destroy_process_group()
