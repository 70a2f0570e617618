"""`livemood listen` and `livemood demo`: live sound to a live timeline."""

import signal
import threading
from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from livemood.cli import options
from livemood.cli.output import EventFile, Printer, SessionOutput
from livemood.cli.view import open_view
from livemood.engine import MonitorSettings, run
from livemood.engine.monitor import Sink
from livemood.engine.queue import EventQueue
from livemood.errors import UsageError
from livemood.model import Model
from livemood.server import ServerThread
from livemood.sources import FileSource, Microphone, Source
from livemood.sources.file import FASTEST
from livemood.timeline import AnyEvent

DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo.opus"
Speed = Annotated[str, typer.Option(help="Of a file: 1 is real time, max as fast as possible.")]


def listen(
    device: Annotated[
        str | None, typer.Option(help="Microphone: its index or a part of its name.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A sound file instead of a microphone.")] = None,
    speed: Speed = "1",
    window: options.WindowS = 3.0,
    hop: options.HopS = 0.25,
    budget_ms: options.BudgetMs = 150.0,
    vad: options.Vad = "webrtc",
    port: options.Port = 8765,
    serve: options.Serve = True,
    model: options.ModelName = "default",
    provider: options.ProviderName = "auto",
    as_json: options.AsJson = False,
    out: options.OutDir = None,
) -> None:
    """Listen to a microphone, or to a file, and say how the voice sounds while it speaks."""
    if device is not None and file is not None:
        raise UsageError("give --device or --file, not both")
    source: Source = FileSource(file, _speed(speed)) if file else Microphone(device)
    loaded = options.load(model, provider)
    chosen = options.settings(window, hop, budget_ms, vad, loaded)
    _session(source, loaded, chosen, port if serve else None, as_json, out)


def demo(
    speed: Speed = "1",
    port: options.Port = 8765,
    serve: options.Serve = True,
    model: options.ModelName = "default",
    as_json: options.AsJson = False,
    out: options.OutDir = None,
) -> None:
    """The same on a bundled conversation of synthetic voices: nothing needed but this program."""
    source = FileSource(DEMO, _speed(speed))
    loaded = options.load(model, "auto")
    if not as_json:
        typer.echo("A conversation of synthetic voices (espeak-ng), which feel nothing.", err=True)
    _session(source, loaded, MonitorSettings(), port if serve else None, as_json, out)


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
    source: Source,
    model: Model,
    settings: MonitorSettings,
    port: int | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Run one session to its end, or to Ctrl-C; exit code 1 if its source failed."""
    with ExitStack() as stack:
        server = stack.enter_context(ServerThread(port)) if port is not None else None
        outputs: list[SessionOutput] = []
        if out is not None:
            outputs.append(stack.enter_context(EventFile(out, source.name)))
        if as_json:
            outputs.append(stack.enter_context(Printer()))
        else:
            view = open_view(server.url if server else None)
            outputs.append(stack.enter_context(view))  # type: ignore[arg-type]
        sinks: list[Sink] = [server.publish] if server else []
        session = _Session(source, model, settings, sinks)
        with closing(session.events()) as events:
            for event in events:
                for output in outputs:
                    output.show(event)
    if session.failure:
        raise session.failure


class _Session:
    """The engine in a thread of its own, its events in this one."""

    def __init__(
        self, source: Source, model: Model, settings: MonitorSettings, sinks: list[Sink]
    ) -> None:
        self._events = EventQueue(live=source.live)
        self._stop = threading.Event()
        self.failure: Exception | None = None
        every = [*sinks, self._events.put]
        self._thread = threading.Thread(
            target=self._work, args=(source, model, settings, every), daemon=True
        )

    def _work(
        self, source: Source, model: Model, settings: MonitorSettings, sinks: list[Sink]
    ) -> None:
        try:
            self.failure = run(source, model, settings, sinks, self._stop)
        except Exception as error:
            self.failure = error
        finally:
            self._events.close()

    def events(self) -> Generator[AnyEvent, None, None]:
        """Every event; Ctrl-C ends the session, whose last events still come."""
        before = {s: signal.signal(s, self._interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        self._thread.start()
        try:
            while True:
                try:
                    # A timeout, because a wait without one cannot be interrupted everywhere.
                    event = self._events.get(timeout=0.5)
                except TimeoutError:
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._stop.set()
            self._events.close()
            self._thread.join(5.0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupt(self, *_: object) -> None:
        """The first signal ends the session in order; a second one ends the program."""
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()
