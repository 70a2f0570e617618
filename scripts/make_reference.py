"""Writes the generated pages of docs/reference: commands, Python names, recipe fields, settings.

`python scripts/make_reference.py`; a test checks that every page is up to date. The page of the
protocol has a script of its own, `make_protocol.py`; this one runs it too.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import make_protocol
import reference_python
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from reference_python import NOTE, cell, prose
from typer.models import ArgumentInfo, CommandInfo, OptionInfo, ParameterInfo

DOCS = Path(__file__).resolve().parent.parent / "docs"
REFERENCE = DOCS / "reference"


# Commands


def commands() -> str:
    """The page of the command line."""
    from livemood.cli.main import app

    parts = [
        "# Commands",
        NOTE,
        "Every command answers `--help`. A command that fails says why in one line. It exits with "
        "1 if something outside is wrong (a file, a device, a port), and with 2 if you asked for "
        "something that cannot be done.",
    ]
    for command in app.registered_commands:
        if not command.hidden:
            parts += _command(f"livemood {_name(command)}", command, 2)
    for group in app.registered_groups:
        parts += _group(f"livemood {group.name}", group.typer_instance)
    return "\n\n".join(parts) + "\n"


def _name(command: CommandInfo) -> str:
    assert command.callback
    return command.name or command.callback.__name__.replace("_", "-")


def _group(name: str, app: typer.Typer) -> Iterator[str]:
    callback = app.registered_callback and app.registered_callback.callback
    yield f"## `{name}`"
    yield prose(app.info.help or inspect.getdoc(callback) or "")
    for command in app.registered_commands:
        yield from _command(f"{name} {_name(command)}", command, 3)


def _command(name: str, command: CommandInfo, depth: int) -> Iterator[str]:
    callback = command.callback
    assert callback
    yield f"{'#' * depth} `{name}`"
    yield prose(command.help or inspect.getdoc(callback) or "")
    hints = typing.get_type_hints(callback, include_extras=True)
    usage, rows = [name], []
    for parameter in inspect.signature(callback).parameters.values():
        kind, *extras = typing.get_args(hints[parameter.name]) or (hints[parameter.name],)
        info = next((e for e in (*extras, parameter.default) if isinstance(e, ParameterInfo)), None)
        bare = info is None and parameter.default is inspect.Parameter.empty
        if bare or isinstance(info, ArgumentInfo):
            metavar = (info and info.metavar) or parameter.name.upper()
            usage.append(metavar + ("..." if "list" in str(kind) else ""))
            rows.append(f"| `{cell(metavar)}` | {cell((info and info.help) or '')} | required |")
        elif isinstance(info, OptionInfo) and not info.hidden:
            rows.append(_option(parameter, info, kind))
    yield f"```\n{' '.join(usage)} [OPTIONS]\n```"
    if rows:
        yield "\n".join(["| option | meaning | default |", "| --- | --- | --- |", *rows])


def _option(parameter: inspect.Parameter, info: OptionInfo, kind: object) -> str:
    flag = f"--{parameter.name.replace('_', '-')}"
    default = parameter.default
    if isinstance(default, OptionInfo):
        default = inspect.Parameter.empty if info.default is ... else info.default
    names = list(info.param_decls or ())
    if isinstance(info.default, str) and info.default.startswith("-"):  # first in Annotated[...]
        names.insert(0, info.default)
    if not names:
        names = [flag, f"--no-{flag[2:]}"] if kind is bool and default is True else [flag]
    shown = ", ".join(f"`{name}`" for name in names)
    if "bool" not in str(kind):
        shown += f" {info.metavar or _kind(kind)}"
    text = cell(info.help or "")
    if info.envvar:
        text += f" Or set `{info.envvar}`."
    return f"| {shown} | {text} | {_default(default)} |"


def _kind(kind: object) -> str:
    text = str(kind)
    return "PATH" if "Path" in text else "NUMBER" if "int" in text or "float" in text else "TEXT"


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or value is False or value in ((), [], ""):
        return ""
    return "on" if value is True else f"`{value}`"


# Fields of settings and recipes


def recipe() -> str:
    """The page of a recipe's fields."""
    from livemood.training.recipe.schema import Recipe
    from livemood.training.recipe.text import TextRecipe

    lead = (
        "A recipe is one TOML file that decides how a model comes out. "
        "[Training](../guides/training.md) shows how to use one. A name that livemood does not "
        "know is refused, with the place where it stands. `livemood train-text` takes recipes of "
        "its own, below; see [Words](../guides/words.md)."
    )
    return _models("Recipe fields", lead, {"": Recipe, "livemood train-text": TextRecipe})


def settings() -> str:
    """The page of the settings of a session and of a server."""
    from livemood.engine import MonitorSettings
    from livemood.server.serve.settings import ServeSettings

    lead = (
        "Two things have settings. `MonitorSettings` says how one session is listened to; give it "
        "to `livemood.listen`, `livemood.analyze` and the like. The settings of `livemood serve` "
        "come from flags, then from variables (`LIVEMOOD_LIMITS__SESSIONS=200`), then from a TOML "
        "file; [Servers](../guides/servers.md) shows how. A name that livemood does not know is "
        "refused."
    )
    server = {"MonitorSettings": MonitorSettings, "livemood serve": ServeSettings}
    return _models("Settings", lead, server)


def _models(title: str, lead: str, roots: dict[str, type[BaseModel]]) -> str:
    parts = [f"# {title}", NOTE, lead]
    for name, model in roots.items():
        if name:
            parts.append(f"## {name}")
        parts += _fields(model, "")
    return "\n\n".join(parts) + "\n"


def _fields(model: type[BaseModel], place: str) -> Iterator[str]:
    """The table of one model, then those of the models inside it, in depth first order."""
    yield prose(inspect.getdoc(model) or "")
    inner = []
    rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        part = _inside(field)
        if part:
            inner.append((f"{place}.{name}".lstrip("."), part, _many(field)))
        described = cell(make_protocol.field_doc(model, name))
        rows.append(f"| `{name}` | {_type(field)} | {_value(field)} | {described} |")
    yield "\n".join(rows)
    for where, part, many in inner:
        yield f"### `{f'[[{where}]]' if many else f'[{where}]'}`"
        yield from _fields(part, where)


def _inside(field: FieldInfo) -> type[BaseModel] | None:
    for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            return kind
    return None


def _many(field: FieldInfo) -> bool:
    return "tuple" in str(field.annotation)


def _type(field: FieldInfo) -> str:
    part = _inside(field)
    if part:
        return "tables" if "dict" in str(field.annotation) or _many(field) else "table"
    text = re.sub(r"<class '([^']+)'>", r"\1", str(field.annotation))
    text = re.sub(r"(?:typing|pathlib(?:\._local)?)\.", "", text).replace("NoneType", "None")
    text = text.replace(" | None", "")
    bounds = [_bound(m) for m in field.metadata]
    return " ".join([f"`{text}`".replace("|", r"\|"), *filter(None, bounds)])


def _bound(constraint: object) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "at least"}
    for name, sign in signs.items():
        if (value := getattr(constraint, name, None)) is not None:
            return f"{sign} {value:g}"
    return ""


def _value(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return ""
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or isinstance(field.default, BaseModel) or field.default in ((), ""):
        return ""
    return f"`{field.default}`"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "python.md": reference_python.python,
    "recipe.md": recipe,
    "settings.md": settings,
}


def main() -> None:
    """Write every page."""
    make_protocol.main()
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    main()
