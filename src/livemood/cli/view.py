"""The terminal view of a session: a live one on a terminal, plain lines elsewhere."""

import os
import sys
from collections import deque
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from livemood.model import UNCERTAIN
from livemood.timeline import AnyEvent
from livemood.timeline.events import (
    ChannelSummary,
    Emotion,
    ErrorEvent,
    Gap,
    Load,
    Segment,
    SessionEnded,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
)

NOTE = "How speech sounds: an estimate, not what a person feels; not a medical device."

# Never colour alone: each label has a letter of its own. Colours are of the Okabe-Ito palette,
# which people with colour-blindness can tell apart.
STYLES = {
    "neutral": ("N", "#999999"),
    "calm": ("C", "#999999"),
    "happy": ("H", "#f0e442"),
    "sad": ("S", "#56b4e9"),
    "angry": ("A", "#d55e00"),
    "fear": ("F", "#cc79a7"),
    "disgust": ("D", "#009e73"),
    "surprise": ("!", "#e69f00"),
    UNCERTAIN: ("?", "white"),
}
SILENCE, LOST = ("·", "dim"), ("x", "bold red")
CELL_MS = 500
"""Time that one character of the scrolling timeline stands for."""


def style(label: str) -> tuple[str, str]:
    """Letter and colour of a label."""
    return STYLES.get(label, (label[:1].upper(), "white"))


class ChannelState:
    """What the view knows of one channel; bounded, however long the session."""

    def __init__(self) -> None:
        self.emotion: Emotion | None = None
        self.speaking = False
        self._cells: deque[tuple[str, str]] = deque(maxlen=600)
        self._cell = 0

    def take(self, event: AnyEvent) -> None:
        """Take the next event of this channel."""
        if isinstance(event, SpeechStarted):
            self._fill(event.start_ms, SILENCE)
            self.speaking = True
        elif isinstance(event, SpeechEnded):
            self.speaking = False
        elif isinstance(event, Gap):
            self._fill(event.end_ms, LOST)
        elif isinstance(event, Emotion):
            self.emotion = event
            self._fill(event.end_ms, style(event.label))

    def quiet_until(self, ms: int) -> None:
        """The session has come to `ms`: a channel in which nobody speaks is silent until there."""
        if not self.speaking:
            self._fill(ms, SILENCE)

    def timeline(self, width: int) -> Text:
        """The last `width` cells, newest at the right."""
        text = Text()
        for letter, colour in list(self._cells)[-width:]:
            text.append(letter, colour)
        return text

    def _fill(self, until_ms: int, cell: tuple[str, str]) -> None:
        until = until_ms // CELL_MS
        for _ in range(min(until - self._cell, self._cells.maxlen or 0)):
            self._cells.append(cell)
        self._cell = max(self._cell, until)


class ViewState:
    """What the view knows of the session."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.started: SessionStarted | None = None
        self.ended: SessionEnded | None = None
        self.channels: list[ChannelState] = []
        self.notes: deque[str] = deque(maxlen=3)
        self.behind = False

    def take(self, event: AnyEvent) -> None:
        """Take the next event."""
        if isinstance(event, SessionStarted):
            self.started = event
            self.channels = [ChannelState() for _ in range(event.channels)]
        elif isinstance(event, SessionEnded):
            self.ended = event
        elif isinstance(event, ErrorEvent):
            self.notes.append(event.message)
        elif isinstance(event, Load):
            self.behind = event.behind
        elif isinstance(event, Gap):
            self.notes.append(f"{event.end_ms - event.start_ms} ms of sound lost: {event.cause}")
        if event.channel is not None:
            # Whoever watches from the middle of a session may never see its beginning.
            while len(self.channels) <= event.channel:
                self.channels.append(ChannelState())
            self.channels[event.channel].take(event)
            for channel in self.channels:
                channel.quiet_until(event.end_ms)

    def render(self, width: int) -> RenderableType:
        """The whole view."""
        parts: list[RenderableType] = [self._channel(n, width) for n in range(len(self.channels))]
        parts += [Text(note, "yellow") for note in self.notes]
        footer = Text(NOTE, "dim")
        if self.url:
            footer = Text(f"{self.url}   Ctrl-C ends", "dim").append("\n").append_text(footer)
        return Group(*parts, footer)

    def _channel(self, number: int, width: int) -> Panel:
        state = self.channels[number]
        title = self.started.source if self.started else ""
        if len(self.channels) > 1:
            title = f"{title} · channel {number}"
        rows: list[RenderableType] = [self._headline(state)]
        if state.emotion:
            rows.append(_bars(state.emotion, width - 6))
        rows.append(state.timeline(width - 6))
        return Panel(Group(*rows), title=Text(title), title_align="left", width=width)

    def _headline(self, state: ChannelState) -> Text:
        speech = "speech" if state.speaking else "silence"
        if not state.emotion:
            return Text(f"listening … {speech}", "dim")
        e = state.emotion
        letter, colour = style(e.label)
        line = Text(f"{letter} {e.label.upper()} {e.confidence:.0%}", f"bold {colour}")
        line.append(f"   valence {e.valence:+.2f}  arousal {e.arousal:+.2f}", "default")
        line.append(f"   {speech}", "default")
        line.append(f"   {e.latency_ms.total:.0f} ms", "dim")
        if self.behind:
            line.append("  BEHIND", "bold red")
        return line


class LiveView:
    """Redraws in place on a terminal."""

    def __init__(self, url: str | None) -> None:
        self._state = ViewState(url)
        self._console = Console()
        self._live = Live(
            console=self._console,
            get_renderable=lambda: self._state.render(min(self._console.width, 100)),
            refresh_per_second=8,
        )

    def show(self, event: AnyEvent) -> None:
        """Take the next event; drawn at the next refresh."""
        self._state.take(event)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)
        if self._state.ended:
            for summary in self._state.ended.summary:
                self._console.print(summary_table(summary))


class PlainView:
    """One line for each segment, for pipes and log files."""

    def __init__(self, url: str | None) -> None:
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdecimal() and int(columns) > 0 else 100
        self._console = Console(width=width, highlight=False)
        if url:
            self._say(f"timeline at {url}")

    def show(self, event: AnyEvent) -> None:
        """Say what closed, was lost or went wrong."""
        if isinstance(event, Segment):
            span = f"{event.start_ms / 1000:8.2f} – {event.end_ms / 1000:8.2f} s"
            self._say(f"channel {event.channel}  {span}  {event.label} ({event.confidence:.0%})")
        elif isinstance(event, Gap):
            self._say(f"channel {event.channel}  sound lost: {event.cause}")
        elif isinstance(event, ErrorEvent):
            lost = f" ({event.count})" if event.count else ""
            self._say(f"{event.message}{lost}")
        elif isinstance(event, Load):
            self._say("behind: windows are given up" if event.behind else "in time again")
        elif isinstance(event, SessionEnded):
            for summary in event.summary:
                self._console.print(summary_table(summary))
            self._say(NOTE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def open_view(url: str | None) -> LiveView | PlainView:
    """The view that fits standard output."""
    return LiveView(url) if sys.stdout.isatty() else PlainView(url)


def summary_table(summary: ChannelSummary) -> RenderableType:
    """What a channel sounded like, as a table of shares."""
    head = (
        f"channel {summary.channel}: {summary.duration_ms / 1000:.1f} s, "
        f"{summary.speech_ms / 1000:.1f} s of speech, {summary.windows} windows"
    )
    if summary.gap_ms:
        head += f", {summary.gap_ms / 1000:.2f} s lost"
    if summary.superseded:
        head += f", {summary.superseded} windows superseded"
    if not summary.session.shares:
        return Text(f"{head}: no speech that is long enough was heard")
    table = Table(box=None, show_header=False)
    for label, share in summary.session.shares.items():
        letter, colour = style(label)
        bar = Text("█" * max(1, round(30 * share)), colour)
        table.add_row(Text(f"{letter} {label}"), f"{share:.0%}", bar)
    return Group(Text(head), table)


def _bars(emotion: Emotion, width: int) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    room = max(10, min(50, width - 20))
    for label, probability in emotion.probabilities.items():
        letter, colour = style(label)
        bar = Text("█" * round(room * probability), colour)
        table.add_row(Text(f"{letter} {label}"), f"{probability:4.0%}", bar)
    return table
