"""Finding models by name or folder."""

from pathlib import Path
from typing import Final

from livemood.errors import ModelError

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
