"""Finding and loading models by name or folder."""

from pathlib import Path
from typing import Final

from livemood.errors import ModelError
from livemood.model.manifest import Manifest, read_manifest
from livemood.model.model import Model
from livemood.model.network import OnnxNetwork, Provider
from livemood.model.streaming.grid import StepGrid

DEFAULT: Final = "default"


def models_folder() -> Path:
    """Where the shipped models lie: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parent.parent / "models"


def shipped_models() -> list[str]:
    """The names of the shipped models, the default first."""
    folder = models_folder()
    names = sorted(p.parent.name for p in folder.glob("*/manifest.json"))
    return sorted(names, key=lambda name: name != DEFAULT)


def find_model(name: str | Path) -> Path:
    """The folder of the shipped model `name`, or `name` itself if it is a folder."""
    path = Path(name)
    if path.is_dir():
        return path
    if str(name) in shipped_models():
        return models_folder() / name
    known = ", ".join(shipped_models()) or "none"
    raise ModelError(f"no model is called {str(name)!r}: use one of {known}, or a model's folder")


def load_model(name: str | Path = DEFAULT, provider: Provider = "auto", threads: int = 1) -> Model:
    """The shipped model `name`, or the model in the folder `name`, ready to run.

    Raises `ModelError` if there is none or if it does not match its manifest.
    """
    folder = find_model(name)
    manifest = read_manifest(folder)
    network = OnnxNetwork(folder / manifest.file, provider, threads)
    _check(manifest, network)
    return Model(manifest, network)


def _check(manifest: Manifest, network: OnnxNetwork) -> None:
    """Raise `ModelError` if the file is not the network that the manifest describes."""
    takes, gives = manifest.features.mels, len(manifest.labels) + len(manifest.dimensions)
    interface, grid = network.interface, StepGrid(manifest)
    damaged = f"model {manifest.name} is damaged: by its manifest"
    if (interface.mels, network.labels) != (takes, gives):
        raise ModelError(
            f"{damaged} the network takes {takes} mel bands and gives {gives} labels and "
            f"dimensions, but it has {interface.mels} and {network.labels}"
        )
    in_blocks = (manifest.network.context_frames, grid.block_steps)
    if interface.frames is not None and (interface.frames, interface.steps) != in_blocks:
        raise ModelError(
            f"{damaged} the network reads {in_blocks[0]} frames as {in_blocks[1]} steps, but it "
            f"reads {interface.frames} as {interface.steps}"
        )
    if interface.frames is not None and manifest.network.kept_frames:
        raise ModelError(f"{damaged} frames are kept, but the network sees every block whole")
    if manifest.baseline and network.speakers is None:
        raise ModelError(f"{damaged} it uses baselines, but nothing is said of training speakers")
    if manifest.not_speech and not interface.has_not_speech:
        raise ModelError(f"{damaged} it tells what is no speech, but it has no such output")
