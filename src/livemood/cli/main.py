"""The `livemood` command."""

import sys
from typing import Annotated

import typer

from livemood import __version__
from livemood.cli.alerts import app as alerts_app
from livemood.cli.analyze import analyze
from livemood.cli.doctor import doctor
from livemood.cli.encoders import app as encoders_app
from livemood.cli.enroll import enroll
from livemood.cli.inventory import devices, models
from livemood.cli.listen import demo, listen
from livemood.cli.mcp import mcp
from livemood.cli.plain import plain_lines
from livemood.cli.report import report
from livemood.cli.research import evaluate, search, sources, train
from livemood.cli.serve import serve
from livemood.cli.token import app as token_app
from livemood.cli.watch import watch
from livemood.errors import LivemoodError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Listens to people speak and says, while they speak, how they sound: an estimate of "
    "the voice, not of what a person feels.",
)
for command in (listen, demo, enroll, analyze, report, serve, watch, mcp, devices, models, doctor):
    app.command()(command)
for researching in (train, search, evaluate):
    app.command()(researching)
app.add_typer(encoders_app, name="encoders")
anything = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command(hidden=True, context_settings=anything)(sources)
app.add_typer(token_app, name="token")
app.add_typer(alerts_app, name="alerts")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livemood {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line. What goes wrong outside the program is one line on stderr."""
    try:
        app()
    except LivemoodError as error:
        typer.echo(f"livemood: {plain_lines(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # standard output, say: a full disk
        what = f"{error.filename}" if error.filename else "cannot write"
        typer.echo(f"livemood: {plain_lines(what)}: {error.strerror or error}", err=True)
        sys.exit(1)
