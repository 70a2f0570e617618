"""What a training run left: its recipe, its checkpoint, its moving average of weights."""

import json
import pickle
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from livemood.errors import ModelError, reason
from livemood.training.recipe.renamed import RENAMED

RECIPE: Final = "recipe.json"
CHECKPOINT: Final = "checkpoint.pt"
SOFT_LABELS: Final = "soft_labels.csv"
"""What a finetuned encoder says: in a fold's folder of all clips that may be learnt from, beside
the folds of all clips by the fold that was not trained on them."""


def is_run(folder: Path) -> bool:
    """Whether a run left its weights in `folder`."""
    return (folder / CHECKPOINT).is_file() and (folder / RECIPE).is_file()


def is_finetuned(folder: Path) -> bool:
    """Whether `folder` holds a finetuned encoder that is done."""
    return is_run(folder) and (folder / SOFT_LABELS).is_file()


def recipe_of(folder: Path) -> dict[str, Any]:
    """The recipe of the run in `folder`, as written. Raises `ModelError` if it is damaged."""
    try:
        made: dict[str, Any] = json.loads((folder / RECIPE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / RECIPE} cannot be read: {reason(error)}") from None
    if not (isinstance(made, dict) and {"corpora", "labels", "network"} <= set(made)):
        raise ModelError(f"{folder / RECIPE} is no recipe of a run")
    if old := [key for key in made["network"] if f"network.{key}" in RENAMED]:
        raise ModelError(
            f"{folder} is a run of an earlier version, whose recipe says network.{old[0]}: "
            "train it again"
        )
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
    """The best EMA weights of the run in `folder`, less those that only training has."""
    state = checkpoint_of(folder)
    return own_weights(state.get("best") or state["ema"])


def own_weights(ema: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the EMA weights of a run, those of the network, less heads that only training has."""
    names = {k.removeprefix("module."): v for k, v in ema.items() if k.startswith("module.")}
    only_training = ("task_heads.", "teacher_projection.")
    return {k: v for k, v in names.items() if not k.startswith(only_training)}


def save_run(folder: Path, network: nn.Module, made: dict[str, Any]) -> None:
    """Write `network` into `folder` as runs leave theirs, to be gone on from; `made` says how."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"ema": state}, folder / CHECKPOINT)
    (folder / RECIPE).write_text(json.dumps(made, indent=2) + "\n", "utf-8")
