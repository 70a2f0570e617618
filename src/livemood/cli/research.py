"""Commands of the training wing, which is loaded when one of them is called and not before.

This module alone of the product knows of `livemood.toolkit`; without the extra `train` it says how
to get it.
"""

import typer

from livemood.errors import LivemoodError

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Arguments, `--help` among them, are for the command that is called."""


def train(context: typer.Context) -> None:
    """Train a model by a recipe (extra `train`)."""
    _run(context)


def search(context: typer.Context) -> None:
    """Search for a better recipe (extra `train`)."""
    _run(context)


def evaluate(context: typer.Context) -> None:
    """Measure a model on labelled clips and on conversations (extra `train`)."""
    _run(context)


def sources(context: typer.Context) -> None:
    """Source models to transfer from: list, rank, tune and more (extra `train`)."""
    _run(context)


def _run(context: typer.Context) -> None:
    try:
        from livemood.toolkit.commands import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("livemood"):
            raise
        raise LivemoodError(
            f"livemood {context.info_name} needs {error.name}: pip install 'livemood[train]'"
        ) from None
    run([str(context.info_name), *context.args])
