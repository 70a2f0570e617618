"""livemood: a real-time streaming emotion monitor.

It estimates how speech sounds while it is spoken, not what a person feels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from livemood.version import __version__

if TYPE_CHECKING:
    from livemood.api import analyze, listen
    from livemood.client import connect
    from livemood.engine.settings import MonitorSettings
    from livemood.errors import LivemoodError
    from livemood.model import Model, Prediction, load_model
    from livemood.timeline import Timeline

__all__ = [
    "LivemoodError",
    "Model",
    "MonitorSettings",
    "Prediction",
    "Timeline",
    "__version__",
    "analyze",
    "connect",
    "listen",
    "load_model",
]

# Resolved on first use, so that `import livemood` itself costs next to nothing.
_HOMES = {
    "LivemoodError": "livemood.errors",
    "Model": "livemood.model",
    "MonitorSettings": "livemood.engine.settings",
    "Prediction": "livemood.model",
    "Timeline": "livemood.timeline",
    "analyze": "livemood.api",
    "connect": "livemood.client",
    "listen": "livemood.api",
    "load_model": "livemood.model",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object of the package
    if name not in _HOMES:
        raise AttributeError(f"module 'livemood' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
