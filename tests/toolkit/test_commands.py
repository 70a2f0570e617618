"""What the researcher's commands say before the training wing is loaded."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from livemood.cli.main import app
from livemood.errors import UsageError

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "sklearn", "plotly", "optuna", "av"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from livemood.__main__ import main
main()
"""


COMMANDS = {
    "train": ["recipe.toml", "--corpora", "x", "--out", "y"],
    "search": ["recipe.toml", "--corpora", "x", "--out", "y"],
    "evaluate": ["--manifest", "x.csv", "--out", "y"],
    "encoders": ["list"],
}


def without(*arguments):
    """What the program does where torch, sklearn and plotly are not installed."""
    command = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


EACH = pytest.mark.parametrize(
    "command",
    [c if c == "train" else pytest.param(c, marks=pytest.mark.slow) for c in COMMANDS],
)
"""Each starts Python; one is enough beside other work."""


@EACH
def test_help_needs_no_extra(command):
    done = without(command, "--help")
    assert done.returncode == 0, done.stderr
    assert command in done.stdout
    words = {"train": "--folds", "search": "--jobs", "evaluate": "--streaming"}
    assert words.get(command, "finetune") in done.stdout


@EACH
def test_without_the_extra_one_line_says_how_to_get_it(command):
    done = without(command, *COMMANDS[command])
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert "pip install 'livemood[train]'" in done.stderr


@pytest.mark.parametrize(
    ("given", "new"),
    [
        (["sources"], "livemood sources is now called livemood encoders"),
        (["sources", "--help"], "livemood sources is now called livemood encoders"),
        (["sources", "rank", "--only", "x"], "sources rank is now called livemood encoders rank"),
        (["sources", "tune", "x.toml"], "sources tune is now called livemood encoders finetune"),
        (["sources", "teach"], "sources teach is now called livemood encoders soft-labels"),
        (["sources", "lean"], "sources lean is now called livemood encoders low-rank"),
        (["train", "r", "--corpora", "c", "--out", "o", "--sources", "s"], "called --encoders"),
        (["encoders", "finetune", "r", "--corpora", "c", "--out", "o", "--sources", "s"], "called"),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(given, new):
    found = CliRunner().invoke(app, given)
    assert isinstance(found.exception, UsageError)
    assert new in str(found.exception)
    assert "\n" not in str(found.exception)


@pytest.mark.parametrize("map_", ["calm", "calm=", "=neutral"])
def test_a_label_is_not_mapped_to_nothing(map_):
    given = ["--manifest", "x.csv", "--map", map_]
    for command in (
        ["encoders", "rank", *given],
        ["encoders", "soft-labels", *given, "--encoder", "x", "--out", "y"],
        ["evaluate", *given, "--out", "y"],
    ):
        found = CliRunner().invoke(app, command)
        assert isinstance(found.exception, UsageError), command
        assert f"{map_!r} is not of the form NAME=VALUE" in str(found.exception)


def test_the_command_line_starts_without_the_wing():
    code = (
        "import sys, livemood.cli.main; print([m for m in sys.modules if m in ('torch', "
        "'sklearn', 'plotly', 'livemood.toolkit', 'livemood.training')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
