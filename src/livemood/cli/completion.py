"""`livemood completion`: what a shell needs to complete commands and options."""

import os
from typing import Annotated, Final, Literal

import typer
from typer.completion import (  # type: ignore[attr-defined]  # it passes them on
    completion_init,
    get_completion_script,
)

PROGRAM: Final = "livemood"
VARIABLE: Final = "_LIVEMOOD_COMPLETE"
"""By this variable the shell's script asks the program what could follow."""


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"], typer.Argument(show_default=False)
    ],
) -> None:
    """Print the completion script of a shell: eval "$(livemood completion bash)"."""
    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell))


def answer_shells() -> None:
    """Know the shells, if one asks what could follow."""
    if VARIABLE in os.environ:
        completion_init()
