"""`livemood doctor`: what is missing, and how to get it."""

import platform
import time
from collections.abc import Callable

import numpy as np
import typer

from livemood import __version__
from livemood.errors import LivemoodError
from livemood.model import load_model
from livemood.sources import input_devices
from livemood.sources.microphone import find_device, portaudio


def doctor(
    port: int = typer.Option(8765, min=0, max=65535, help="The port to look at."),
) -> None:
    """Check what livemood needs on this machine."""
    typer.echo(f"livemood {__version__}, Python {platform.python_version()}, {platform.platform()}")
    needed = {
        "model": _model,
        "port": lambda: _port(port),
        "PortAudio": _portaudio,
        "microphone": _microphone,
    }
    results = [_check(name, check) for name, check in needed.items()]
    for name, check in {"Silero VAD": _silero, "G.722 and Opus": _codecs, "CUDA": _cuda}.items():
        _check(name, check, optional=True)
    if not all(results):
        raise typer.Exit(1)


def _check(name: str, check: Callable[[], str], optional: bool = False) -> bool:
    try:
        typer.echo(f"  ok       {name}: {check()}")
    except LivemoodError as error:
        typer.echo(f"  {'optional' if optional else 'MISSING '} {name}: {error}")
        return False
    return True


def _model() -> str:
    model = load_model()
    model.warm_up()
    window = model.front_end(np.zeros(round(3.0 * 16000), np.float32))
    began = time.perf_counter()
    model.classify([window])
    took = 1000 * (time.perf_counter() - began)
    return f"{model.manifest.name} {model.manifest.version} reads a 3 s window in {took:.1f} ms"


def _port(port: int) -> str:
    from livemood.server import ServerThread

    with ServerThread(port) as server:
        return f"{server.port} is free on 127.0.0.1"


def _portaudio() -> str:
    return str(portaudio().get_portaudio_version()[1])


def _microphone() -> str:
    default = find_device(None)
    return f"{len(input_devices())} found, default {default.index} {default.name}"


def _silero() -> str:
    from livemood.speech import open_detector

    open_detector("silero")
    return "installed"


def _codecs() -> str:
    from livemood.sources.rtp import RtpFormat, parse_sdp

    for form in (RtpFormat("G722", 16000), RtpFormat("OPUS", 48000)):
        form.new_decoder()
    parse_sdp("")
    return "installed"


def _cuda() -> str:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise LivemoodError("no CUDA provider: pip install onnxruntime-gpu to use an NVIDIA GPU")
    return "available"
