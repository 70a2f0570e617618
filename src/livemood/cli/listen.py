"""`livemood listen` and `livemood demo`: live sound to a live timeline."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livemood.cli import options
from livemood.cli.output import EventFile, Printer, SessionOutput
from livemood.cli.view import open_view
from livemood.engine import BackgroundSession, MonitorSettings
from livemood.engine.session import About, Sink
from livemood.errors import UsageError
from livemood.model import Baseline, Model
from livemood.sources import BlockSource, FileSource, Microphone
from livemood.sources.file import FASTEST
from livemood.sources.rtp import RtpSource, read_sdp, split_address
from livemood.sources.rtp.payload import STATIC

if TYPE_CHECKING:
    from livemood.server import ServerThread

DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo.opus"
SPEAKERS = About("demonstration", "synthetic voices: nobody speaks", ("Clinic", "Caller"))
"""Who speaks in the demo."""
Stay = Annotated[bool, typer.Option("--stay", help="Serve on after the end, until Ctrl-C.")]
Speed = Annotated[str, typer.Option(help="Of a file: 1 is real time, max as fast as possible.")]


def listen(
    device: Annotated[
        str | None, typer.Option(help="Microphone: its index or a part of its name.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A sound file instead of a microphone.")] = None,
    speed: Speed = "1",
    rtp: Annotated[
        str | None, typer.Option(help="A call: HOST:PORT to receive RTP at.", show_default=False)
    ] = None,
    sdp: Annotated[
        Path | None, typer.Option(help="What the call's payload types mean: an SDP file.")
    ] = None,
    window: options.WindowS = None,
    hop: options.HopS = None,
    budget_ms: options.BudgetMs = 150.0,
    vad: options.Vad = "webrtc",
    port: options.Port = 8765,
    serve: options.Serve = True,
    model: options.ModelName = "default",
    provider: options.ProviderName = "auto",
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            help="How a voice usually sounds, as enroll wrote it; once for each channel, in order.",
            show_default=False,
        ),
    ] = None,
    use_baseline: options.UseBaseline = True,
    stay: Stay = False,
    as_json: options.AsJson = False,
    out: options.OutDir = None,
) -> None:
    """Listen to a microphone, a file or a call, and say how the voice sounds while it speaks."""
    if sum(x is not None for x in (device, file, rtp)) > 1:
        raise UsageError("give one of --device, --file and --rtp")
    if sdp is not None and rtp is None:
        raise UsageError("--sdp describes a call: give --rtp HOST:PORT, too")
    with options.Loading(model, provider) as loading:
        source = _source(device, file, speed, rtp, sdp)
        _import_server(serve)
        loaded = loading.result()
    chosen = options.settings(window, hop, budget_ms, vad, loaded, baseline=use_baseline)
    baselines = [loaded.baseline(path) for path in baseline or ()]
    if isinstance(source, RtpSource):
        _wait(source)
    _session(
        source, loaded, chosen, port if serve else None, as_json, out, stay, baselines=baselines
    )


def demo(
    speed: Speed = "1",
    port: options.Port = 8765,
    serve: options.Serve = True,
    model: options.ModelName = "default",
    stay: Stay = False,
    as_json: options.AsJson = False,
    out: options.OutDir = None,
) -> None:
    """The same on a bundled conversation of synthetic voices: nothing needed but this program."""
    with options.Loading(model, "auto") as loading:
        source = FileSource(DEMO, _speed(speed))
        _import_server(serve)
        loaded = loading.result()
    if not as_json:
        typer.echo("A conversation of synthetic voices (espeak-ng), which feel nothing.", err=True)
    _session(
        source, loaded, MonitorSettings(), port if serve else None, as_json, out, stay, SPEAKERS
    )


def _source(
    device: str | None, file: Path | None, speed: str, rtp: str | None, sdp: Path | None
) -> BlockSource:
    if file is not None:
        return FileSource(file, _speed(speed))
    return Microphone(device) if rtp is None else _call(rtp, sdp)


def _call(address: str, sdp: Path | None) -> RtpSource:
    host, port = split_address(address)
    return RtpSource(host, port, read_sdp(sdp) if sdp else STATIC)


def _wait(source: RtpSource) -> None:
    """Wait until somebody sends to `source`; Ctrl-C ends the program."""
    typer.echo(f"waiting for a sender: {source.name}", err=True)
    try:
        while not source.wait(0.5):
            source.check()
    except BaseException:
        source.close()
        raise


def _import_server(wanted: bool) -> None:
    """Import what serves, if it is wanted, while the model loads."""
    if wanted:
        import livemood.server  # noqa: F401


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= FASTEST:
        raise UsageError(f"--speed must be above 0, up to {FASTEST:g}, or max, not {text!r}")
    return speed


def _session(
    source: BlockSource,
    model: Model,
    settings: MonitorSettings,
    port: int | None,
    as_json: bool,
    out: Path | None,
    stay: bool,
    about: About | None = None,
    baselines: Sequence[Baseline] = (),
) -> None:
    """Run one session to its end, or to Ctrl-C; exit code 1 if its source failed."""
    with ExitStack() as stack:
        server = _serve(stack, port) if port is not None else None
        outputs: list[SessionOutput] = []
        if out is not None:
            outputs.append(stack.enter_context(EventFile(out, source.name)))
        if as_json:
            outputs.append(stack.enter_context(Printer()))
        else:
            view = open_view(server.url, server.page) if server else open_view()
            outputs.append(stack.enter_context(view))  # type: ignore[arg-type]
        sinks: list[Sink] = [server.publish] if server else []
        session = BackgroundSession(source, model, settings, sinks, about, baselines=baselines)
        with ended_by_signals(session) as interrupted:
            with closing(session.events()) as events:
                for event in events:
                    for output in outputs:
                        output.show(event)
            while stay and server and not interrupted.wait(0.5):  # signals come in between
                pass
    if session.failure:
        raise session.failure


def _serve(stack: ExitStack, port: int) -> "ServerThread":
    from livemood.server import ServerThread

    return stack.enter_context(ServerThread(port))


@contextmanager
def ended_by_signals(session: BackgroundSession) -> Iterator[threading.Event]:
    """The first Ctrl-C (or SIGTERM) ends the session in order; a second ends the program.

    Gives what is set by the first.
    """
    interrupted = threading.Event()

    def interrupt(*_: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        session.stop()

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
