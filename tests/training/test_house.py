"""Rules of the training wing's house that no other check holds."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")
pytest.importorskip("optuna", reason="needs the extra train")

import livemood.toolkit
import livemood.training
from livemood.training.recipe.schema import Recipe

WING = [
    found.name
    for room in (livemood.training, livemood.toolkit)
    for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
]
MAY_TAKE_A_RECIPE = ("recipe", "build", "pipeline")
MOST_IMPORTS = 12
MOST_FILES = 16
LONGEST = 340


def functions(module):
    """All functions and methods that are written in `module`, by name."""
    for name, member in vars(module).items():
        if inspect.isfunction(member) and member.__module__ == module.__name__:
            yield name, member
        elif inspect.isclass(member) and member.__module__ == module.__name__:
            for inner, method in vars(member).items():
                plain = inspect.unwrap(getattr(method, "__func__", method))
                if inspect.isfunction(plain):
                    yield f"{name}.{inner}", plain


def takes_a_recipe(function):
    """Whether one of its parameters, or a field of its dataclass, is the whole recipe."""
    return [
        parameter.name
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.annotation is Recipe or Recipe in getattr(parameter.annotation, "__args__", ())
    ]


@pytest.mark.parametrize("name", WING)
def test_only_a_few_rooms_take_a_whole_recipe(name):
    room = name.removeprefix("livemood.training.").split(".")[0]
    if name.startswith("livemood.training.") and room in MAY_TAKE_A_RECIPE:
        return
    module = importlib.import_module(name)
    taken = {f: names for f, function in functions(module) if (names := takes_a_recipe(function))}
    assert not taken


def test_the_rule_sees_a_recipe_where_there_is_one():
    from livemood.training import build

    taken = [name for name, function in functions(build) if takes_a_recipe(function)]
    assert {"build", "train", "build_network"} <= set(taken)


def imported(path):
    """The modules of ours that a file imports."""
    out = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("livemood"):
            out.add(node.module)
        elif isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names if alias.name.startswith("livemood")}
    return out


def files():
    rooms = (livemood.training, livemood.toolkit)
    return [path for room in rooms for path in sorted(Path(room.__path__[0]).rglob("*.py"))]


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_module_is_long_or_imports_many(path):
    assert len(imported(path)) <= MOST_IMPORTS, sorted(imported(path))
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_no_room_holds_many_files():
    for room in {path.parent for path in files()}:
        assert len(list(room.glob("*.py"))) <= MOST_FILES, room
