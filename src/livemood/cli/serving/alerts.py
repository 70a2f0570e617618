"""`livemood alerts`: try rules and receivers before they matter."""

from pathlib import Path
from typing import Annotated

import typer

from livemood.cli import options
from livemood.engine.extensions import open_model, reader_of
from livemood.errors import LivemoodError
from livemood.notify import load_notify_settings, try_receivers

Rules = Annotated[Path, typer.Argument(help="A TOML file of rules and receivers.")]

app = typer.Typer(help="Check alert rules, and try whom they reach.", no_args_is_help=True)


@app.command()
def check(rules: Rules, model: options.ModelName = "default") -> None:
    """Read a file of rules, and say what is in it; labels must be ones that the model gives."""
    settings = load_notify_settings(rules)
    settings.check_labels(reader_of(open_model(model, "cpu")).info.labels)
    for rule in settings.alerts:
        where = "each channel" if rule.channel is None else f"channel {rule.channel}"
        typer.echo(f"{rule.name}: {where}")
    names = ", ".join(receiver.name for receiver in settings.receivers)
    count = len(settings.alerts)
    typer.echo(f"{count} rule{'s' * (count != 1)}; receivers: {names or 'none'}")
    for line in settings.lacking():
        typer.echo(f"note: {line} here", err=True)


@app.command()
def test(rules: Rules) -> None:
    """Send a test message to each receiver, and say whether it arrived."""
    settings = load_notify_settings(rules)
    if not settings.receivers:
        raise LivemoodError(f"{rules} names no receiver: add [[webhooks]], [[mqtt]] or [[apprise]]")
    failed = False
    for tried in try_receivers(settings):
        failed |= tried.error is not None
        typer.echo(f"{tried.receiver}: {tried.error or 'delivered'}", err=tried.error is not None)
    if failed:
        raise typer.Exit(1)
