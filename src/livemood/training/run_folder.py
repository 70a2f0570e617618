"""The folder of a run, and where a run finds what it needs."""

import json
import platform
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from livemood.errors import UsageError
from livemood.training.distributed.processes import Processes
from livemood.training.network.checkpoint import CHECKPOINT, RECIPE, recipe_of
from livemood.version import __version__


@dataclass(frozen=True)
class Workspace:
    """Where things are, and what computes: nothing of it decides how a model comes out on a CPU."""

    corpora: Path
    """Folder with a folder for each corpus."""
    cache: Path
    """Where sound, features and augmented copies are kept from run to run."""
    encoders: Path | None = None
    """Folder of pretrained encoders, and of runs that others begin with or learn from."""
    device: str = "auto"
    """auto, cpu or cuda."""
    workers: int = 0
    """Processes that change sound."""
    processes: Processes = field(default_factory=Processes)
    """Those that train together."""

    def torch_device(self) -> torch.device:
        """The device. Raises `UsageError` if it is not there."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"no device is called {self.device!r}: use auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("torch finds no GPU here: use --device cpu")
        cuda = self.device != "cpu" and torch.cuda.is_available()
        return torch.device("cuda" if cuda else "cpu")

    def for_fold(self, name: str) -> "Workspace":
        """The same with `{fold}` in the folder of encoders as the fold's name."""
        encoders = self.encoders and Path(str(self.encoders).replace("{fold}", name))
        return replace(self, encoders=encoders)


def use_threads(count: int) -> None:
    """Compute on so many threads of the processor."""
    torch.set_num_threads(count)


def begin_run(run: Path, recipe: str, device: torch.device) -> None:
    """Make the folder and write the recipe, as JSON, and the versions that it is made with.

    Raises `UsageError` if the folder holds a run by another recipe.
    """
    run.mkdir(parents=True, exist_ok=True)
    path = run / RECIPE
    begun = path.is_file() and (run / CHECKPOINT).is_file()
    if begun and _deciding(recipe_of(run)) != _deciding(json.loads(recipe)):
        raise UsageError(f"{run} holds a run by another recipe: choose another --out")
    path.write_text(recipe + "\n", "utf-8")
    write_json(run / "versions.json", versions() | {"device": str(device)})


def versions() -> dict[str, str]:
    """What a run is made with."""
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


def _deciding(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe less what only its card says."""
    told = {"limits", "licence", "reference"}
    corpora = [{k: v for k, v in part.items() if k not in told} for part in recipe["corpora"]]
    return {k: v for k, v in recipe.items() if k not in told} | {"corpora": corpora}
