"""The reference page of what `import livemood` gives, from signatures and docstrings."""

import ast
import importlib
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator

import make_protocol

from livemood.timeline.events import Event

NOTE = "<!-- Made by scripts/make_reference.py. Change the code, then run it again. -->"


def python() -> str:
    """The page of what `import livemood` gives."""
    import livemood

    parts = [
        "# Python",
        NOTE,
        "What stands here is public: it changes only as [the compatibility policy]"
        "(compatibility.md) says. Everything else is livemood's own and may change from one "
        "version to the next.",
    ]
    for name in livemood.__all__:
        if not name.startswith("__"):
            parts += _object(name, getattr(livemood, name))
    return "\n\n".join(parts) + "\n"


def _object(name: str, found: object) -> Iterator[str]:
    yield f"## `{name}`"
    if inspect.isclass(found) and issubclass(found, Event) and found is not Event:
        kind = found.model_fields["type"].default
        anchor = kind.replace(".", "")
        yield f"{_own_doc(found)} Its fields: [`{kind}`](protocol.md#{anchor})."
    elif inspect.isclass(found):
        yield from _class(name, found)
    elif inspect.isroutine(found):
        yield f"```python\n{_signature(found, name)}\n```"
        yield prose(inspect.getdoc(found) or "")
    else:
        yield _alias_doc(name)


def _alias_doc(name: str) -> str:
    """What stands after the definition of a name that is no class and no function."""
    import livemood

    source = inspect.getsource(importlib.import_module(livemood._HOMES[name]))
    for node, text in itertools.pairwise(ast.parse(source).body):
        names = getattr(node, "targets", [getattr(node, "target", None)])
        defines = any(isinstance(n, ast.Name) and n.id == name for n in names)
        if defines and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            return prose(str(text.value.value))
    return ""


def _class(name: str, found: type) -> Iterator[str]:
    yield prose(_own_doc(found))
    made = vars(found).get("__init__")
    if inspect.isfunction(made) and made.__doc__ and found.__module__.startswith("livemood"):
        yield f"```python\n{_signature(made, name)}\n```\n\n{prose(made.__doc__)}"
    documented = make_protocol.docstrings(found) if _has_source(found) else {}
    if documented:
        rows = [f"| `{field}` | {cell(text)} |" for field, text in documented.items()]
        yield "\n".join(["| field | meaning |", "| --- | --- |", *rows])
    for attribute, value in vars(found).items():
        if attribute.startswith("_") or attribute in ("model_config", "model_post_init"):
            continue
        if isinstance(value, property):
            yield f"### `{name}.{attribute}`\n\n{prose(inspect.getdoc(value) or '')}"
        elif isinstance(value, classmethod | staticmethod) or inspect.isfunction(value):
            function = value if inspect.isfunction(value) else value.__func__
            text = prose(inspect.getdoc(function) or "")
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


def prose(text: str) -> str:
    """A docstring as Markdown: indented lines stay as they are."""
    return inspect.cleandoc(text)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
