"""`livemood devices`, `models` and `presets`: what there is to use."""

from typing import Annotated

import typer

from livemood.model import find_model, shipped_models
from livemood.model.manifest import read_manifest
from livemood.presets import NAMES, load_preset, preset_text
from livemood.sources import input_devices


def devices() -> None:
    """List the microphones."""
    found = input_devices()
    for device in found:
        mark = "*" if device.default else " "
        shape = f"{device.channels} ch, {device.sample_rate} Hz"
        typer.echo(f"{mark} {device.index:3}  {device.name}  ({shape})")
    if not found:
        typer.echo("no microphone was found: plug one in, or use livemood listen --file", err=True)
        raise typer.Exit(1)


def models() -> None:
    """List the shipped models."""
    for name in shipped_models():
        m = read_manifest(find_model(name))
        size = f"{m.parameters / 1e3:.0f} k parameters, {m.precision}"
        typer.echo(f"{name}  {m.version}  {size}, {', '.join(m.labels)}  [{m.licence}]")


def presets(
    name: Annotated[
        str | None, typer.Argument(help="Print this one, to copy and change.", show_default=False)
    ] = None,
) -> None:
    """List the presets, or print one as TOML."""
    if name is not None:
        typer.echo(preset_text(name), nl=False)
        return
    for each in NAMES:
        typer.echo(f"{each}  {load_preset(each).description}")
