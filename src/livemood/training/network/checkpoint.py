"""What a training run left: its recipe, its averaged weights."""

import json
import pickle
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from livemood.errors import ModelError
from livemood.training.network.dcrnn import DcRnn
from livemood.training.recipe.schema import Recipe

RECIPE: Final = "recipe.json"
CHECKPOINT: Final = "checkpoint.pt"
TABLE: Final = "table.csv"
"""What a tuned source says: in a fold's folder of all clips that may be learnt from, beside the
folds' of all clips by the fold that did not hear them."""


def is_run(folder: Path) -> bool:
    """Whether a run left its weights in `folder`."""
    return (folder / CHECKPOINT).is_file() and (folder / RECIPE).is_file()


def is_tuned(folder: Path) -> bool:
    """Whether `folder` holds a tuned source, that is done."""
    return is_run(folder) and (folder / TABLE).is_file()


def recipe_of(folder: Path) -> dict[str, Any]:
    """The recipe of the run in `folder`, as written. Raises `ModelError` if it is damaged."""
    try:
        made: dict[str, Any] = json.loads((folder / RECIPE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / RECIPE} cannot be read: {error}") from None
    if not (isinstance(made, dict) and {"corpora", "labels", "network"} <= set(made)):
        raise ModelError(f"{folder / RECIPE} is no recipe of a run")
    return made


def checkpoint_of(folder: Path) -> dict[str, Any]:
    """What the run in `folder` goes on from. Raises `ModelError` if it is damaged."""
    path = folder / CHECKPOINT
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ModelError(f"{path} cannot be read: {reason}") from None
    return state


def weights_of(folder: Path) -> dict[str, Tensor]:
    """The best averaged weights of the run in `folder`, less those that only training has."""
    state = checkpoint_of(folder)
    return own_weights(state.get("best") or state["averaged"])


def own_weights(averaged: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the averaged weights of a run, those of the network, less heads that only training has."""
    names = {k.removeprefix("module."): v for k, v in averaged.items() if k.startswith("module.")}
    return {k: v for k, v in names.items() if not k.startswith(("tasks.", "nearer."))}


def save_source(folder: Path, network: nn.Module, made: dict[str, Any]) -> None:
    """Write `network` into `folder` as runs leave theirs, to be gone on from; `made` says how."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"averaged": state}, folder / CHECKPOINT)
    (folder / RECIPE).write_text(json.dumps(made, indent=2) + "\n", "utf-8")


def load_fitted(recipe: Recipe, run: Path) -> DcRnn:
    """The network as it stands in the checkpoint of `run`."""
    network = DcRnn(recipe.network, recipe.features.mels, len(recipe.labels))
    state = checkpoint_of(run)
    network.load_state_dict(own_weights(state["best"] or state["averaged"]))
    return network.eval()
