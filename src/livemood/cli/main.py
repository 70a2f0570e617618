"""The `livemood` command."""

import os
import sys
from typing import Annotated

import typer

from livemood import __version__
from livemood.cli import files, live, research, serving
from livemood.cli.completion import PROGRAM, answer_shells, completion
from livemood.cli.doctor import doctor
from livemood.cli.interrupt import BEGINNING
from livemood.cli.inventory import devices, models, presets
from livemood.cli.research.training import sources
from livemood.cli.terminal.plain import plain_lines
from livemood.errors import LivemoodError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Listens to people speak and says, while they speak, how they sound: an estimate of "
    "the voice, not of what a person feels.",
)
here = (devices, models, presets, doctor, completion)
for command in (*live.COMMANDS, *files.COMMANDS, *serving.COMMANDS, *here, *research.COMMANDS):
    app.command()(command)
for name, group in {**research.GROUPS, **serving.GROUPS}.items():
    app.add_typer(group, name=name)
anything = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command(hidden=True, context_settings=anything)(sources)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livemood {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback says it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    open_page: Annotated[
        bool, typer.Option("--open", help="Listen to the microphone, and show the page.")
    ] = False,
) -> None:
    """Options before the command."""
    BEGINNING.stop()
    if not open_page:
        return
    if ctx.invoked_subcommand is not None:
        raise UsageError("--open stands alone, or behind listen or demo")
    live.listen.listen(ctx, open_page=True)


def main() -> None:
    """Run the command line. What goes wrong outside the program is one line on stderr."""
    answer_shells()
    try:
        app(prog_name=PROGRAM)
    except LivemoodError as error:
        typer.echo(f"livemood: {plain_lines(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # standard output, say: a full disk
        what = f"{error.filename}" if error.filename else "cannot write"
        typer.echo(f"livemood: {plain_lines(what)}: {error.strerror or error}", err=True)
        # What is still to be written would fail once more at the exit, with words of Python's own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
