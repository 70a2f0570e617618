"""Trained networks that another one learns from while it trains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from livemood.errors import ModelError, UsageError
from livemood.training.data.dataset import Dataset
from livemood.training.data.predictions import Probs, read_soft_labels
from livemood.training.network.base import EmotionNetwork
from livemood.training.network.checkpoint import is_run, recipe_of
from livemood.training.network.initial_weights import network_shape
from livemood.training.network.kinds import load_pretrained, load_trained, make_network
from livemood.training.recipe.sections import DistillSection, NetworkSection


class Teacher:
    """Soft labels from every head of one network or several, which learn no more."""

    def __init__(self, networks: Sequence[EmotionNetwork], temperature: float) -> None:
        self._networks = [network.eval().requires_grad_(False) for network in networks]
        self._temperature = temperature

    @property
    def width(self) -> int:
        """Values of the first one's steps."""
        return self._networks[0].step_width

    def to(self, device: torch.device) -> "Teacher":
        """The same on another device."""
        for network in self._networks:
            network.to(device)
        return self

    def check_frozen_blocks(self, encoder: Any, blocks: int) -> None:  # noqa: ANN401 - any kind's
        """Raise `ModelError` unless the lowest blocks of all are those of `encoder`.

        What those gave was kept, and the teachers are asked about that.
        """
        ours = {k: v for k, v in encoder.convolutions.state_dict().items() if _block(k) < blocks}
        for network in self._networks:
            convolutions: Any = network.encoder.convolutions
            theirs = convolutions.state_dict()
            if any(k not in theirs or not torch.equal(v, theirs[k]) for k, v in ours.items()):
                raise ModelError(
                    "augment.copies keeps what frozen blocks give, and a teacher has other blocks: "
                    "leave copies out, or give its distill.soft_labels in place of the teacher"
                )

    @torch.no_grad()
    def __call__(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean probabilities at the temperature, (batch, labels), and the first one's steps."""
        soft: list[Tensor] = []
        first: Tensor | None = None
        for network in self._networks:
            heads, steps = network.heads_and_steps(features)
            first = steps if first is None else first
            soft += [torch.softmax(head.float() / self._temperature, dim=1) for head in heads]
        assert first is not None  # noqa: S101 - there is at least one
        return torch.stack(soft).mean(0), first


def _block(name: str) -> int:
    """The number of the block, from the bottom, that a weight of the convolutions belongs to."""
    return int(name.split(".")[0]) // 4


def load_teacher(
    distill: DistillSection, labels: Sequence[str], mels: int, encoders: Path | None
) -> Teacher | None:
    """The recipe's teachers, if it names any: runs, or models.

    Raises `ModelError` if one is missing or has other labels.
    """
    names = distill.all_teachers
    if not names:
        return None
    if encoders is None:
        raise ModelError(f"the recipe learns from {names[0]}: give its folder with --encoders")
    networks = [_load(name, labels, mels, encoders) for name in names]
    return Teacher(networks, distill.temperature)


def _load(name: str, labels: Sequence[str], mels: int, encoders: Path) -> EmotionNetwork:
    folder = encoders / name
    if is_run(folder):
        made = recipe_of(folder)
        if tuple(made["labels"]) != tuple(labels):
            raise ModelError(f"{folder} has labels {made['labels']}, not those of this recipe")
        section = NetworkSection.model_validate(made["network"])
        network = load_trained(section, mels, len(labels), folder)
    else:
        update = {"pretrained": name, "pretrained_head": True}
        section = network_shape(folder).model_copy(update=update)
        network = make_network(section, mels, len(labels))
        load_pretrained(network, mels, encoders)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def load_soft_labels(
    distill: DistillSection, data: Dataset, labels: Sequence[str], encoders: Path | None
) -> Probs | None:
    """The recipe's table for all clips to train on, (clips, labels), if it names one.

    Raises `UsageError` if unlabelled clips would be learnt from by nothing.
    """
    if not distill.soft_labels:
        return None
    table = (encoders or Path()) / distill.soft_labels
    soft = read_soft_labels(table, [*data.train, *data.unlabelled], labels)
    missing = int((soft[len(data.train) :].sum(axis=1) == 0).sum())
    if missing and not distill.all_teachers:
        raise UsageError(
            f"{table} says nothing of {missing} unlabelled clips: make it with the same "
            "distill.unlabelled and distill.unlabelled_share"
        )
    return soft
