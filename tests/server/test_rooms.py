"""Rooms stay small enough to find one's way in."""

import ast
from pathlib import Path

import pytest

import livemood.server

SERVER = Path(livemood.server.__file__).parent
MODULES = sorted(SERVER.rglob("*.py"))


def test_no_room_has_more_than_sixteen_files():
    for room in {module.parent for module in MODULES}:
        files = [path for path in room.iterdir() if path.is_file()]
        assert len(files) <= 16, room.name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SERVER)))
def test_no_module_imports_more_than_twelve_of_ours(module):
    tree = ast.parse(module.read_text("utf-8"))
    ours = {
        node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("livemood")
    }
    assert len(ours) <= 12
    assert len(module.read_text("utf-8").splitlines()) < 340
