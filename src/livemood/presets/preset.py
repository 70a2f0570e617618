"""What a preset says, and how it is read."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from livemood.engine import MonitorSettings
from livemood.errors import UsageError, first_fault
from livemood.timeline.alert_rules import AlertRules

FOLDER: Final = Path(__file__).parent
NAMES: Final = ("call-center", "telehealth", "entertainment", "research")
"""The presets that livemood ships."""
Section = Literal[
    "summary", "timeline", "words", "transitions", "longest", "markers", "quality", "limits"
]
"""Parts of a report."""


class Preset(AlertRules):
    """Settings for a kind of work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    description: str = ""
    purposes: tuple[str, ...] = Field(min_length=1)
    """What sessions may be for, of those that the policy allows. `listen` takes the first."""
    retention_days: float = Field(30.0, gt=0, le=36500)
    """How long a server keeps sessions that do not say so themselves."""
    report_first: Section = "summary"
    """What a report shows first."""
    monitor: dict[str, Any] = Field(default_factory=dict)
    """Settings of how one session is listened to: window, gate, smoother, ignore_participants."""

    @model_validator(mode="after")
    def _check_monitor(self) -> Self:
        if unknown := set(self.monitor) - {"window", "gate", "smoother", "ignore_participants"}:
            raise ValueError(f"monitor.{min(unknown)} is not for a preset to say")
        try:
            MonitorSettings.read(self.monitor)
        except UsageError as error:
            raise ValueError(f"monitor: {error}") from None
        return self

    def over(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Plain settings of a session: `values`, and where they say nothing, the preset's."""
        merged = dict(values)
        for name, own in self.monitor.items():
            given = merged.get(name)
            both = isinstance(own, dict) and isinstance(given, dict)
            merged[name] = own | given if both else (own if given is None else given)
        return merged


def preset_text(name: str) -> str:
    """The TOML of a shipped preset. Raises `UsageError` if there is none of that name."""
    if name not in NAMES:
        raise UsageError(f"no preset is called {name!r}: use one of {', '.join(NAMES)}, or a file")
    return (FOLDER / f"{name}.toml").read_text("utf-8")


def load_preset(name: str) -> Preset:
    """A shipped preset, or that of a TOML file. Raises `UsageError` if it is wrong."""
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        text = preset_text(name)
    else:
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise UsageError(f"cannot read the preset {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"the preset {path} is not UTF-8 text") from None
    try:
        return Preset.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the preset {name} is no TOML: {error}") from None
    except ValidationError as error:
        fault = first_fault(error, "preset", Preset)
        raise UsageError(f"the preset {name}: {fault}") from None
