"""The source of sound that the options of `livemood listen` name."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import typer

from livemood.cli.terminal.plain import plain
from livemood.engine.extensions import block_source
from livemood.errors import UsageError
from livemood.plugins import make_plugin
from livemood.sources import BlockSource, FileSource, RawFormat, open_devices
from livemood.sources.file import FASTEST
from livemood.sources.rtp import STATIC, RtpSource, read_sdp, split_address


@dataclass(frozen=True, slots=True)
class Asked:
    """The source that the options name; without any it is the default microphone."""

    devices: list[str] = field(default_factory=list)
    file: str | None = None
    """A path, - for standard input, or an address."""
    speed: str = "1"
    track: int | None = None
    raw: RawFormat | None = None
    """What the file holds, if that is nothing but samples."""
    urls: bool = False
    rtp: str | None = None
    sdp: Path | None = None
    plugin: str | None = None

    def __post_init__(self) -> None:
        """Raise `UsageError` for options that do not go together."""
        if sum(map(bool, (self.devices, self.file, self.rtp, self.plugin))) > 1:
            raise UsageError("give one of --device, --file, --rtp and --source")
        if self.sdp is not None and self.rtp is None:
            raise UsageError("--sdp describes a call: give --rtp HOST:PORT, too")
        if self.file is None and (self.track or self.raw or self.urls):
            raise UsageError("--track, --rate, --encoding, --channels and --urls are of a --file")


def open_source(asked: Asked) -> BlockSource:
    """Open the one source that is named: a plug-in's, a file, a call, or else devices.

    Raises `UsageError` for a speed, an address or an SDP file that is not valid.
    """
    if asked.plugin is not None:
        return block_source(make_plugin("sources", asked.plugin))
    if asked.file is not None:
        speed = speed_of(asked.speed)
        return FileSource(asked.file, speed, track=asked.track, raw=asked.raw, urls=asked.urls)
    if asked.rtp is not None:
        host, port = split_address(asked.rtp)
        return RtpSource(host, port, read_sdp(asked.sdp) if asked.sdp else STATIC)
    return open_devices(asked.devices, _say)


def _say(line: str) -> None:
    """Say what became of a device, unless the view on the terminal does."""
    if not sys.stdout.isatty():
        typer.echo(f"livemood: {plain(line)}", err=True)


def speed_of(text: str) -> float | None:
    """How many times real time a file is read; None for `max`, as fast as possible.

    Raises `UsageError` for anything else.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= FASTEST:
        raise UsageError(f"--speed must be above 0, up to {FASTEST:g}, or max, not {text!r}")
    return speed


def wait_for_sender(source: BlockSource) -> None:
    """Wait until somebody sends to `source`, if it is a call; Ctrl-C ends the program."""
    if not isinstance(source, RtpSource):
        return
    typer.echo(f"waiting for a sender: {source.name}", err=True)
    try:
        while not source.wait(0.5):
            source.check()
    except BaseException:
        source.close()
        raise
