"""The source of sound that the options of `livemood listen` name."""

from pathlib import Path

from livemood.engine.extensions import block_source
from livemood.errors import UsageError
from livemood.plugins import make_plugin
from livemood.sources import BlockSource, FileSource, open_devices
from livemood.sources.file import FASTEST
from livemood.sources.rtp import STATIC, RtpSource, read_sdp, split_address


def open_source(
    devices: list[str],
    file: Path | None,
    speed: str,
    rtp: str | None,
    sdp: Path | None,
    plugin: str | None,
) -> BlockSource:
    """Open the one source that is named: a plug-in's, a file, a call, or else devices.

    Raises `UsageError` for a speed, an address or an SDP file that is not valid.
    """
    if plugin is not None:
        return block_source(make_plugin("sources", plugin))
    if file is not None:
        return FileSource(file, speed_of(speed))
    return open_devices(devices) if rtp is None else _call(rtp, sdp)


def _call(address: str, sdp: Path | None) -> RtpSource:
    host, port = split_address(address)
    return RtpSource(host, port, read_sdp(sdp) if sdp else STATIC)


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
