"""A trained network that another one learns from."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.training.network.checkpoint import is_run, recipe_of, weights_of
from livemood.training.network.dcrnn import DcRnn, Front
from livemood.training.network.initial_weights import load_source, shape_of
from livemood.training.recipe.schema import NetworkPart, Recipe


class Teacher:
    """Soft targets from every head of one network or several, which learn no more."""

    def __init__(self, networks: Sequence[DcRnn], temperature: float) -> None:
        self._networks = [network.eval().requires_grad_(False) for network in networks]
        self._temperature = temperature

    @property
    def width(self) -> int:
        """Values of the first one's steps."""
        return int(self._networks[0].causal.recurrent.input_size)

    def to(self, device: torch.device) -> "Teacher":
        """The same on another device."""
        for network in self._networks:
            network.to(device)
        return self

    def check_below(self, front: Front, blocks: int) -> None:
        """Raise `ModelError` unless the lowest blocks of all are those of `front`.

        What those gave was kept, and the teachers are asked about that.
        """
        ours = {k: v for k, v in front.convolutions.state_dict().items() if _block(k) < blocks}
        for network in self._networks:
            theirs = network.front.convolutions.state_dict()
            if any(k not in theirs or not torch.equal(v, theirs[k]) for k, v in ours.items()):
                raise ModelError(
                    "augment.views keeps what frozen blocks give, and a teacher has other blocks: "
                    "leave views out, or let it speak by distill.table"
                )

    @torch.no_grad()
    def __call__(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean probabilities at the temperature, (batch, labels), and the first one's steps."""
        soft: list[Tensor] = []
        first: Tensor | None = None
        for network in self._networks:
            heads, steps = network.read(features)
            first = steps if first is None else first
            soft += [torch.softmax(head.float() / self._temperature, dim=1) for head in heads]
        assert first is not None  # noqa: S101 - there is at least one
        return torch.stack(soft).mean(0), first


def _block(name: str) -> int:
    """The number of the block, from the bottom, that a weight of the convolutions belongs to."""
    return int(name.split(".")[0]) // 4


def load_teacher(recipe: Recipe, sources: Path | None) -> Teacher | None:
    """The recipe's teachers, if it names any: runs, or models.

    Raises `ModelError` if one is missing or has other labels.
    """
    if not recipe.teachers:
        return None
    if sources is None:
        raise ModelError(f"the recipe learns from {recipe.teachers[0]}: give --sources")
    networks = [_load(recipe, sources, name) for name in recipe.teachers]
    return Teacher(networks, recipe.distill.temperature)


def _load(recipe: Recipe, sources: Path, name: str) -> DcRnn:
    folder = sources / name
    if is_run(folder):
        network = _of_run(recipe, folder)
    else:
        wanted = shape_of(folder).model_copy(update={"source": name, "source_head": True})
        network = DcRnn(wanted, recipe.features.mels, len(recipe.labels))
        load_source(network, wanted, recipe.features.mels, sources)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _of_run(recipe: Recipe, folder: Path) -> DcRnn:
    made = recipe_of(folder)
    if tuple(made["labels"]) != recipe.labels:
        raise ModelError(f"{folder} has labels {made['labels']}, not those of this recipe")
    part = NetworkPart.model_validate(made["network"])
    network = DcRnn(part, recipe.features.mels, len(recipe.labels))
    network.load_state_dict(weights_of(folder))
    return network


def distilled(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """Cross entropy of `logits` against soft targets, one for each row, of the labels' scale."""
    log = nn.functional.log_softmax(logits.float() / temperature, dim=1)
    return -(soft * log).sum(dim=1) * temperature**2
