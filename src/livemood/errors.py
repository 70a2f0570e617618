"""The errors that you can act on. Each message is one line: what was wrong, then what to do.

    LivemoodError            something outside the program is wrong (exit code 1)
     ├── UsageError          what you asked for cannot be done (exit code 2)
     ├── SourceError         sound cannot be had from where it was to come from
     │    ├── FileError      a file is missing, unreadable or damaged
     │    └── DeviceError    a microphone or its driver is missing, busy or gone
     ├── ModelError          a model cannot be found, read or trusted, or answers nonsense
     ├── ConnectError        a server cannot be reached, or refuses
     ├── ProtocolError       the other side sent what the protocol does not allow
     ├── PluginError         an installed package offers a plug-in that cannot be used
     └── Busy                the machine cannot keep up with another session now

Catch `LivemoodError` to catch them all. The command line prints the message without a traceback
and exits with `exit_code`.
"""

import typing
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

FEW_NAMES = 12
"""So many names fit a line."""


def first_fault(error: "ValidationError", of: str, model: "type[BaseModel]") -> str:
    """What is wrong with settings that somebody wrote, in one line: where, then what.

    A name that does not exist comes first: what is missing may be meant by it. `of` is what they
    are, where a fault is of no single name, and `model` their type.
    """
    faults = error.errors()
    first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    where = ".".join(map(str, first["loc"])) or of
    if first["type"] == "extra_forbidden":
        *above, wrong = first["loc"]
        return f"{where}: there is no such name{_hint(str(wrong), _names(model, above))}"
    return f"{where}: {fault_text(first)}"


def reason(error: Exception) -> str:
    """Why the system, or FFmpeg, could not do something: a few words, without numbers or paths."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    text = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return text.rstrip(".").splitlines()[0]


def fault_text(fault: Mapping[str, Any]) -> str:
    """What is wrong in one of the faults that `ValidationError.errors()` lists."""
    said = {
        "missing": "it is missing",
        "extra_forbidden": "there is no such name",
        "json_invalid": "this is no JSON",
        **dict.fromkeys(("frozen_set_type", "set_type", "tuple_type", "list_type"), "give a list"),
        **dict.fromkeys(("model_type", "dict_type"), "give named fields, not one value"),
    }
    text = said.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def _hint(wrong: str, names: list[str]) -> str:
    if close := get_close_matches(wrong, names, n=1):
        return f": do you mean {close[0]}?"
    return f": there are {', '.join(names)}" if 0 < len(names) <= FEW_NAMES else ""


def _names(model: "type[BaseModel]", above: list[int | str]) -> list[str]:
    """The names that there are at a place of settings."""
    for part in above:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = next(_models(field.annotation), None) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> "Iterator[type[BaseModel]]":  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        yield typing.cast("type[BaseModel]", annotation)
    for inner in typing.get_args(annotation):
        yield from _models(inner)


class LivemoodError(Exception):
    """Something outside the program is wrong: a file, a device, a model, a port."""

    exit_code = 1


class UsageError(LivemoodError):
    """What you asked for cannot be done, whatever the outside world is like (exit code 2)."""

    exit_code = 2


class SourceError(LivemoodError):
    """Sound cannot be had from where it was to come from."""


class FileError(SourceError):
    """A file is missing, cannot be read, or is damaged."""


class DeviceError(SourceError):
    """A microphone or its driver is missing, busy or gone."""


class ModelError(LivemoodError):
    """A model cannot be found, read or trusted, or gives probabilities that are none."""


class ConnectError(LivemoodError):
    """A server cannot be reached, or refuses."""


class ProtocolError(LivemoodError):
    """The other side sent what the protocol does not allow."""


class PluginError(LivemoodError):
    """An installed package offers a plug-in that cannot be used."""


class Busy(LivemoodError):  # noqa: N818 - a state of the machine, not a fault
    """The machine cannot keep up with another session now."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            f"as many sessions run as this machine can keep up with: try again in "
            f"{retry_after_s:.0f} s"
        )
        self.retry_after_s = retry_after_s
        """Seconds after which it is worth asking again."""
