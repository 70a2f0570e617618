"""Plug-ins of other installed packages, found by name through their entry points.

A package adds one with a line in its `pyproject.toml`:

    [project.entry-points."livemood.vad"]
    mine = "my_package:MyDetector"

The four groups are `livemood.vad`, `livemood.sources`, `livemood.sinks` and `livemood.models`.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from livemood.errors import PluginError

Kind = Literal["vad", "sources", "sinks", "models"]
Factory = Callable[..., Any]


def plugin_names(kind: Kind) -> list[str]:
    """The names that installed packages offer, in alphabetical order."""
    return sorted({found.name for found in _entries(kind)})


def find_plugin(kind: Kind, name: str) -> Factory | None:
    """What a package offers under `name`, a class or a function; none if no package does.

    Raises `PluginError` if two packages offer the name, or if its package cannot be imported.
    """
    found = [entry for entry in _entries(kind) if entry.name == name]
    if not found:
        return None
    if len({entry.value for entry in found}) > 1:
        packages = ", ".join(sorted({_package(entry) for entry in found}))
        raise PluginError(f"{name!r} is offered by several packages ({packages}): uninstall one")
    try:
        factory = found[0].load()
    except Exception as error:  # another's module may raise anything
        raise PluginError(
            f"{name!r} of package {_package(found[0])} cannot be loaded: "
            f"{type(error).__name__}: {_line(error)}"
        ) from error
    if not callable(factory):
        raise PluginError(
            f"{name!r} of package {_package(found[0])} is no class and no function: "
            f"{found[0].value} must be called to make one"
        )
    return factory  # type: ignore[no-any-return]  # callable is all that is known


def make_plugin(kind: Kind, spec: str) -> Any:  # noqa: ANN401 - the caller checks what it is
    """What the plug-in `spec` makes: `NAME`, or `NAME:ARGUMENT` for one that takes an argument.

    Raises `PluginError` if no package offers it, or if it fails.
    """
    name, colon, argument = spec.partition(":")
    factory = find_plugin(kind, name)
    if factory is None:
        known = ", ".join(plugin_names(kind)) or "none"
        raise PluginError(
            f"no installed package offers {name!r} in livemood.{kind}; there are: {known}"
        )
    try:
        return factory(argument) if colon else factory()
    except Exception as error:
        raise PluginError(f"{spec!r} failed: {type(error).__name__}: {_line(error)}") from error


def _entries(kind: Kind) -> list[EntryPoint]:
    return list(entry_points(group=f"livemood.{kind}"))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value.partition(":")[0]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or "no reason given"
