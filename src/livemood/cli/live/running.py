"""One session on the command line: its outputs, its page, and what ends it."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from livemood.cli.live.level_meter import Metered
from livemood.cli.terminal.output import EventFile, Printer, ProgressLine, SessionOutput
from livemood.cli.terminal.view import LiveView, PlainView, open_view
from livemood.engine import About, AnyModel, BackgroundSession, MonitorSettings
from livemood.engine.extensions import Sink, SinkThreads
from livemood.model import Baseline
from livemood.notify import Notifier, NotifySettings, Outbox
from livemood.sources import BlockSource
from livemood.text.fusion import open_words

if TYPE_CHECKING:
    from livemood.server import Demo, ServerThread


def run_session(
    source: BlockSource,
    model: AnyModel,
    settings: MonitorSettings,
    port: int | None,
    as_json: bool,
    out: Path | None,
    stay: bool,
    about: About | None = None,
    sinks: Sequence[Sink] = (),
    baselines: Sequence[Baseline] = (),
    notify: NotifySettings | None = None,
    open_page: bool = False,
    demo: "Demo | None" = None,
    words: tuple[str, str] | None = None,
) -> None:
    """Run one session to its end, or to Ctrl-C; exit code 1 if its source failed.

    With `open_page` a browser shows its page. With `stay` that is served on after the end, until
    Ctrl-C. `demo` is what the page may play. `words` names a text model and a recogniser's folder.
    """
    with ExitStack() as stack:
        reading = open_words(words[0], model, words[1]) if words else None
        if reading is not None:
            stack.callback(reading.close)
        server = _serve(stack, port, demo) if port is not None else None
        if open_page and server:
            _open(server.page)
        outputs: list[SessionOutput] = []
        shown = stack.enter_context(ExitStack())
        if out is not None:
            outputs.append(shown.enter_context(EventFile(out, source.name)))
        view = None
        if as_json:
            outputs.append(shown.enter_context(Printer()))
        else:
            view = open_view(server.url, server.page) if server else open_view()
            outputs.append(shown.enter_context(view))  # type: ignore[arg-type]
        threads = SinkThreads(sinks, live=source.live)
        stack.callback(threads.close)
        puts = [threads.put, *([server.publish] if server else [])]
        if notify and (targets := notify.targets()):
            puts.append(stack.enter_context(Notifier(targets, Outbox())))
        metered = Metered(source)
        session = BackgroundSession(
            metered,
            model,
            settings,
            puts,
            about,
            baselines=baselines,
            words=reading.thread if reading else None,
        )
        _show_how_far(shown, metered, session, view)
        with ended_by_signals(session) as interrupted:
            with closing(session.events()) as events:
                for event in events:
                    for output in outputs:
                        output.show(event)
            shown.close()
            if stay and server and not interrupted.is_set():
                typer.echo(f"The page stays at {server.page} until you press Ctrl-C.", err=True)
                while not interrupted.wait(0.5):  # signals come in between
                    pass
    if session.failure:
        raise session.failure


def _show_how_far(
    stack: ExitStack,
    source: Metered,
    session: BackgroundSession,
    view: LiveView | PlainView | None,
) -> None:
    """Let time go on in the view while nobody speaks, and say how much of a file was read."""
    duration_s = source.duration_s
    if view is not None:
        levels = source.meter.levels_db if source.live else ()
        view.follow(lambda: session.now_ms, duration_s, levels)
    shown = isinstance(view, LiveView) or sys.stdout.isatty()
    if duration_s and not shown and sys.stderr.isatty():
        stack.enter_context(ProgressLine(lambda: session.now_ms, duration_s))


def _serve(stack: ExitStack, port: int, demo: "Demo | None") -> "ServerThread":
    from livemood.server import ServerThread

    return stack.enter_context(ServerThread(port, demo=demo))


def _open(page: str) -> None:
    """Show the page in a browser, in a thread: a browser of the terminal would hold up sound."""
    import webbrowser

    def work() -> None:
        if not webbrowser.open(page):
            typer.echo(f"livemood: no browser can be opened: the page is at {page}", err=True)

    threading.Thread(target=work, name="livemood-browser", daemon=True).start()


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
