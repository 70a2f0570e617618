"""Writes the generated pages of docs/reference: commands, Python names, recipe fields, settings.

`python scripts/make_reference.py`; a test checks that every page is up to date. The page of the
protocol has a script of its own, `make_protocol.py`; this one runs it too.
"""

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import make_protocol
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.models import ArgumentInfo, CommandInfo, OptionInfo, ParameterInfo

DOCS = Path(__file__).resolve().parent.parent / "docs"
REFERENCE = DOCS / "reference"
NOTE = "<!-- Made by scripts/make_reference.py. Change the code, then run it again. -->"


# Commands


def commands() -> str:
    """The page of the command line."""
    from livemood.toolkit.commands import app as research

    from livemood.cli.main import app

    wing = {_name(c): c for c in research.registered_commands}
    groups = {g.name: g.typer_instance for g in research.registered_groups}
    parts = [
        "# Commands",
        NOTE,
        "Every command answers `--help`. A command that fails says why in one line. It exits with "
        "1 if something outside is wrong (a file, a device, a port), and with 2 if you asked for "
        "something that cannot be done.",
    ]
    for command in app.registered_commands:
        name = _name(command)
        if name in groups:
            parts += _group(f"livemood {name}", groups[name], command.callback)
        else:
            parts += _command(f"livemood {name}", wing.get(name, command), 2)
    for group in app.registered_groups:
        parts += _group(f"livemood {group.name}", group.typer_instance, None)
    return "\n\n".join(parts) + "\n"


def _name(command: CommandInfo) -> str:
    assert command.callback
    return command.name or command.callback.__name__.replace("_", "-")


def _group(name: str, app: typer.Typer, said: Callable[..., object] | None) -> Iterator[str]:
    callback = app.registered_callback and app.registered_callback.callback
    yield f"## `{name}`"
    yield _prose(app.info.help or inspect.getdoc(said or callback) or "")
    for command in app.registered_commands:
        yield from _command(f"{name} {_name(command)}", command, 3)


def _command(name: str, command: CommandInfo, depth: int) -> Iterator[str]:
    callback = command.callback
    assert callback
    yield f"{'#' * depth} `{name}`"
    yield _prose(command.help or inspect.getdoc(callback) or "")
    hints = typing.get_type_hints(callback, include_extras=True)
    usage, rows = [name], []
    for parameter in inspect.signature(callback).parameters.values():
        kind, *extras = typing.get_args(hints[parameter.name]) or (hints[parameter.name],)
        info = next((e for e in (*extras, parameter.default) if isinstance(e, ParameterInfo)), None)
        bare = info is None and parameter.default is inspect.Parameter.empty
        if bare or isinstance(info, ArgumentInfo):
            metavar = (info and info.metavar) or parameter.name.upper()
            usage.append(metavar + ("..." if "list" in str(kind) else ""))
            rows.append(f"| `{_cell(metavar)}` | {_cell((info and info.help) or '')} | required |")
        elif isinstance(info, OptionInfo):
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
    text = _cell(info.help or "")
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

    lead = (
        "A recipe is one TOML file that decides how a model comes out. "
        "[Training](../guides/training.md) shows how to use one. A name that livemood does not "
        "know is refused, with the place where it stands."
    )
    return _models("Recipe fields", lead, {"": Recipe})


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
    yield _prose(inspect.getdoc(model) or "")
    inner = []
    rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        part = _inside(field)
        if part:
            inner.append((f"{place}.{name}".lstrip("."), part, _many(field)))
        described = _cell(make_protocol.field_doc(model, name))
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


# Python names


def python() -> str:
    """The page of what `import livemood` gives."""
    import livemood

    parts = [
        "# Python",
        NOTE,
        "What stands here is public: it changes only as the compatibility policy in "
        "[the changelog](../../CHANGELOG.md) says. Everything else is livemood's own and may "
        "change from one version to the next.",
    ]
    for name in livemood.__all__:
        if not name.startswith("__"):
            parts += _object(name, getattr(livemood, name))
    return "\n\n".join(parts) + "\n"


def _object(name: str, found: object) -> Iterator[str]:
    yield f"## `{name}`"
    if inspect.isclass(found):
        yield from _class(name, found)
    elif callable(found):
        yield f"```python\n{_signature(found, name)}\n```"
        yield _prose(inspect.getdoc(found) or "")
    else:
        yield f"`{found}`"


def _class(name: str, found: type) -> Iterator[str]:
    yield _prose(_own_doc(found))
    documented = make_protocol.docstrings(found) if _has_source(found) else {}
    if documented:
        rows = [f"| `{field}` | {_cell(text)} |" for field, text in documented.items()]
        yield "\n".join(["| field | meaning |", "| --- | --- |", *rows])
    for attribute, value in vars(found).items():
        if attribute.startswith("_") or attribute in ("model_config", "model_post_init"):
            continue
        if isinstance(value, property):
            yield f"### `{name}.{attribute}`\n\n{_prose(inspect.getdoc(value) or '')}"
        elif isinstance(value, classmethod | staticmethod) or inspect.isfunction(value):
            function = value if inspect.isfunction(value) else value.__func__
            text = _prose(inspect.getdoc(function) or "")
            yield f"### `{name}.{attribute}`\n\n```python\n{_signature(function)}\n```\n\n{text}"


def _own_doc(found: type) -> str:
    return inspect.cleandoc(found.__doc__ or "")


def _has_source(found: type) -> bool:
    return found.__module__.startswith("livemood")


def _signature(function: Callable[..., object], name: str = "") -> str:
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("cls, ")
    arguments = "" if arguments in ("self", "cls") else arguments
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{name or node.name}({arguments}){returns}"
    if len(line) <= 90:
        return line
    inside = ",\n    ".join(_split(arguments))
    return f"{name or node.name}(\n    {inside},\n){returns}"


def _split(arguments: str) -> Iterator[str]:
    """The arguments one by one: at commas that stand in no bracket."""
    depth, start = 0, 0
    for index, letter in enumerate(arguments):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            yield arguments[start:index].strip()
            start = index + 1
    yield arguments[start:].strip()


# Text


def _prose(text: str) -> str:
    """A docstring as Markdown: indented lines stay as they are."""
    return inspect.cleandoc(text)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "python.md": python,
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
