"""A trained network that another one learns from."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.training.network import DcRnn
from livemood.training.recipe import NetworkPart, Recipe
from livemood.training.sources import load_source

RECIPE, CHECKPOINT = "recipe.json", "checkpoint.pt"


class Teacher:
    """Soft targets from every head of a network, which learns no more."""

    def __init__(self, network: DcRnn, temperature: float) -> None:
        self._network = network.eval().requires_grad_(False)
        self._temperature = temperature

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """Mean probabilities of the heads at the temperature, (batch, labels)."""
        heads = self._network.heads(features)
        soft = [torch.softmax(head.float() / self._temperature, dim=1) for head in heads]
        return torch.stack(soft).mean(0)


def load_teacher(recipe: Recipe, sources: Path | None) -> Teacher | None:
    """The recipe's teacher, if it names one: a run, or a model of the recipe's shape but not lean.

    Raises `ModelError` if it is missing or has other labels.
    """
    part = recipe.distill
    if part.teacher is None:
        return None
    if sources is None:
        raise ModelError(f"the recipe learns from {part.teacher}: give --sources")
    folder = sources / part.teacher
    if (folder / CHECKPOINT).is_file():
        network = _of_run(recipe, folder)
    else:
        whole = {"rank": 0, "width": 0, "source_head": True, "source_sha256": None}
        wanted = recipe.network.model_copy(update={**whole, "source": part.teacher})
        network = DcRnn(wanted, recipe.features.mels, len(recipe.labels))
        load_source(network, wanted, recipe.features.mels, sources)
    return Teacher(network.to(memory_format=torch.channels_last), part.temperature)  # type: ignore[call-overload]


def _of_run(recipe: Recipe, folder: Path) -> DcRnn:
    made = json.loads((folder / RECIPE).read_text("utf-8"))
    if tuple(made["labels"]) != recipe.labels:
        raise ModelError(f"{folder} has labels {made['labels']}, not those of this recipe")
    part = NetworkPart.model_validate(made["network"])
    network = DcRnn(part, recipe.features.mels, len(recipe.labels))
    state = torch.load(folder / CHECKPOINT, weights_only=True)["averaged"]
    weights = {k.removeprefix("module."): v for k, v in state.items() if k.startswith("module.")}
    network.load_state_dict(weights)
    return network


def distilled(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """Cross entropy of `logits` against soft targets, one for each row, of the labels' scale."""
    log = nn.functional.log_softmax(logits.float() / temperature, dim=1)
    return -(soft * log).sum(dim=1) * temperature**2
