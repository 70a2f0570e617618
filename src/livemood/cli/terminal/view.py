"""The terminal view of a session: a live one on a terminal, plain lines elsewhere."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Self

from rich.console import Console
from rich.text import Text

from livemood.cli.terminal.plain import plain
from livemood.cli.terminal.repaint import HIDE, SHOW, Repainter
from livemood.cli.terminal.state import NOTE, ViewState, summary_table, who
from livemood.sources.reopened import UNPLUGGED
from livemood.timeline import AnyEvent
from livemood.timeline.events import (
    ErrorEvent,
    Fused,
    Gap,
    Level,
    Load,
    Marker,
    Segment,
    SessionEnded,
    SessionStarted,
)
from livemood.timeline.level_words import level_line

EVERY_S = 0.125
"""No more is painted than this often: calm to look at, and little to send over SSH."""
TICK_S = 1.0
"""While nobody speaks nothing comes, and time goes on."""
METER_S = 0.25
"""A level meter moves more often than that."""
WIDEST = 100


class LiveView:
    """Repaints in place on a terminal, in a thread of its own, what has changed."""

    def __init__(self, page: str | None) -> None:
        self._state = ViewState(page)
        self._clock: Callable[[], int] | None = None
        self._newest: AnyEvent | None = None
        self._console = Console()
        self._repainter = Repainter()
        self._size = self._console.size
        self._failures: set[str] = set()
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livemood-view", daemon=True)

    def show(self, event: AnyEvent) -> None:
        """Take the next event; painted soon."""
        with self._lock:
            self._state.take(event)
            if event.seq is not None:
                self._newest = event
        self._news.set()

    def follow(
        self,
        now_ms: Callable[[], int],
        duration_s: float | None = None,
        levels_db: Sequence[float] = (),
    ) -> None:
        """What says how far the sound has come; without it, the time of events and a clock do.

        `levels_db`, of each channel, is looked at again with each painting.
        """
        with self._lock:
            self._state.levels_db = levels_db
            self._clock = now_ms
            self._state.duration_ms = round(1000 * duration_s) if duration_s else None

    def _now_ms(self) -> int:
        if self._clock is not None:
            return self._clock()
        if self._newest is None:
            return 0
        made = datetime.fromisoformat(self._newest.time).timestamp()
        return self._newest.end_ms + max(0, round(1000 * (time.time() - made)))

    def __enter__(self) -> Self:
        self._write(HIDE)
        self._news.set()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._news.set()
        self._thread.join()
        self._paint_or_say()
        self._write(SHOW)
        if self._state.ended:
            for summary in self._state.ended.summary:
                self._console.print(summary_table(summary, self._state.started))

    def _run(self) -> None:
        while not self._over.is_set():
            self._news.wait(METER_S if self._state.levels_db else TICK_S)
            self._news.clear()
            self._paint_or_say()
            self._over.wait(EVERY_S)

    def _paint_or_say(self) -> None:
        """Paint; what prevents it is said once, and the session goes on."""
        try:
            self._paint()
        except Exception as error:
            line = plain(f"the view cannot be painted: {type(error).__name__}: {error}")
            if line in self._failures:
                return
            self._failures.add(line)
            with suppress(OSError, ValueError):  # nowhere left to say it
                self._write(self._repainter.forget())
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()

    def _paint(self) -> None:
        size = self._console.size
        text = ""
        if size != self._size:
            self._size = size
            text = self._repainter.forget()
        self._write(text + self._repainter.paint(self._lines()))

    def _lines(self) -> list[str]:
        """The view as lines with their escape sequences, cut to what the terminal has room for."""
        width, height = self._size
        page = Console(
            file=io.StringIO(),
            width=min(width, WIDEST),
            force_terminal=True,
            color_system=self._console.color_system,  # type: ignore[arg-type]  # its own kind
            no_color=self._console.no_color,
            legacy_windows=False,
        )
        with self._lock:
            self._state.tick(self._now_ms())
            page.print(self._state.render(min(width, WIDEST)))
        assert isinstance(page.file, io.StringIO)  # noqa: S101 - as made above
        lines = page.file.getvalue().splitlines()
        return lines[: max(1, height - 1)]

    def _write(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()


class PlainView:
    """One line for each segment, for pipes and log files."""

    def __init__(self, timeline: str | None, page: str | None) -> None:
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdecimal() and int(columns) > 0 else 100
        self._console = Console(width=width, highlight=False)
        self._started: SessionStarted | None = None
        if timeline:
            self._say(f"timeline at {timeline}")
        if page:
            self._say(f"page at {page}")

    def show(self, event: AnyEvent) -> None:
        """Say what closed, was lost, noted or went wrong."""
        if isinstance(event, SessionStarted):
            self._started = event
        elif isinstance(event, Segment):
            span = f"{event.start_ms / 1000:8.2f} – {event.end_ms / 1000:8.2f} s"
            self._say(f"{self._who(event)}  {span}  {event.label} ({event.confidence:.0%})")
        elif isinstance(event, Fused):
            span = f"{event.start_ms / 1000:8.2f} – {event.end_ms / 1000:8.2f} s"
            joined = " and ".join(event.sources)
            said = f"{event.label} ({event.confidence:.0%}) by {joined}"
            self._say(f"{self._who(event)}  {span}  {said}")
        elif isinstance(event, Gap):
            # One that is unplugged is lost each second anew; that was said, once.
            if event.cause != UNPLUGGED:
                self._say(f"{self._who(event)}  sound lost: {event.cause}")
        elif isinstance(event, Level):
            at = f"{event.end_ms / 1000:.1f} s"
            self._say(f"{self._who(event)}  {at}  {level_line(event.problems)}")
        elif isinstance(event, Marker):
            self._say(f"marker at {event.start_ms / 1000:.2f} s: {event.note!r}")
        elif isinstance(event, ErrorEvent):
            lost = f" ({event.count})" if event.count else ""
            self._say(f"{event.message}{lost}")
        elif isinstance(event, Load):
            self._say("behind: windows are given up" if event.behind else "in time again")
        elif isinstance(event, SessionEnded):
            for summary in event.summary:
                self._console.print(summary_table(summary, self._started))
            self._say(NOTE)

    def follow(
        self,
        now_ms: Callable[[], int],
        duration_s: float | None = None,
        levels_db: Sequence[float] = (),
    ) -> None:
        """Lines say what has happened; how far the sound has come is not among them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _who(self, event: Segment | Fused | Gap | Level) -> str:
        return who(self._started, event.channel or 0)

    def _say(self, line: str) -> None:
        # What others wrote must not command the terminal.
        self._console.print(Text(plain(line)), soft_wrap=True)


def open_view(timeline: str | None = None, page: str | None = None) -> LiveView | PlainView:
    """The view that fits standard output. The addresses are where the session is served."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the locale has no such letters: a question mark, not the end of the program.
        sys.stdout.reconfigure(errors="replace")
    moves = os.name == "nt" or os.environ.get("TERM", "") not in ("", "dumb")
    return LiveView(page) if sys.stdout.isatty() and moves else PlainView(timeline, page)
