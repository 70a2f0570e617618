"""The folder of a run, and where a run finds what it needs."""

import json
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from livemood.errors import UsageError
from livemood.training.network.checkpoint import CHECKPOINT, RECIPE, recipe_of
from livemood.training.recipe.schema import Recipe
from livemood.version import __version__


@dataclass(frozen=True)
class Where:
    """Where things are, and what computes: nothing of it decides how a model comes out on a CPU."""

    corpora: Path
    cache: Path
    sources: Path | None = None
    device: str = "auto"
    workers: int = 0
    """Processes that change sound."""

    def torch_device(self) -> torch.device:
        """The device. Raises `UsageError` if it is not there."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"no device is called {self.device!r}: use auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("torch finds no GPU here: use --device cpu")
        cuda = self.device != "cpu" and torch.cuda.is_available()
        return torch.device("cuda" if cuda else "cpu")


def of_fold(recipe: Recipe, where: Where, name: str) -> tuple[Recipe, Where]:
    """The same with `{fold}`, in the recipe and in the folder of sources, as the fold's name."""
    named = recipe.model_dump_json().replace("{fold}", name)
    sources = where.sources and Path(str(where.sources).replace("{fold}", name))
    return Recipe.model_validate_json(named), replace(where, sources=sources)


def use_threads(count: int) -> None:
    """Compute on so many threads of the processor."""
    torch.set_num_threads(count)


def same_recipe(recipe: Recipe, run: Path) -> None:
    """Write the recipe into the run, or see that the run there is by the same one."""
    path, text = run / RECIPE, recipe.model_dump_json(indent=2) + "\n"
    begun = path.is_file() and (run / CHECKPOINT).is_file()
    if begun and _deciding(recipe_of(run)) != _deciding(json.loads(text)):
        raise UsageError(f"{run} holds a run by another recipe: choose another --out")
    path.write_text(text, "utf-8")


def _deciding(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe less what only its card says."""
    told = {"limits", "licence", "reference"}
    corpora = [{k: v for k, v in part.items() if k not in told} for part in recipe["corpora"]]
    return {k: v for k, v in recipe.items() if k not in told} | {"corpora": corpora}


def versions() -> dict[str, str]:
    """What a run was made with."""
    return {
        "livemood": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write `content` as indented JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
