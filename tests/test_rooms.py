"""Rooms and modules stay small enough to find one's way in."""

import ast
from pathlib import Path

import pytest

import livemood

PACKAGE = Path(livemood.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
REPO = Path(__file__).parents[1]
ROOMS = sorted({module.parent for module in MODULES})


def name_of(path):
    return str(path.relative_to(PACKAGE.parent))


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_no_room_has_more_than_sixteen_files(room):
    assert len([path for path in room.iterdir() if path.is_file()]) <= 16


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_module_is_long_or_imports_more_than_twelve_of_ours(module):
    text = module.read_text("utf-8")
    assert len(text.splitlines()) < 340
    ours = {
        node.module
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("livemood")
    }
    assert len(ours) <= 12


@pytest.mark.parametrize("room", ["tests", "benchmarks", "scripts", "examples"])
def test_no_script_or_test_is_long(room):
    scripts = (REPO / room).rglob("*.py")
    assert [path for path in scripts if len(path.read_text("utf-8").splitlines()) >= 340] == []


def test_no_two_test_files_have_one_name():
    """pytest imports them by their names alone: it would refuse the second, and run nothing."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
