"""What the terminal shows of a session, and how: fits 80 columns and 24 lines for two channels."""

from collections import deque
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from livemood.cli.plain import plain
from livemood.timeline import AnyEvent
from livemood.timeline.events import (
    ChannelSummary,
    Emotion,
    ErrorEvent,
    Gap,
    Load,
    Marker,
    SessionEnded,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
)
from livemood.timeline.look import look

NOTE = "How speech sounds: an estimate, not what a person feels; not a medical device."
SILENCE, LOST = ("·", "dim"), ("x", "bold red")
CELL_MS = 500
"""Time that one character of the scrolling timeline stands for."""


def style(label: str) -> tuple[str, str]:
    """Letter and style of a label: black on its colour, legible on dark and light terminals."""
    looks = look(label)
    return looks["letter"], f"#000000 on {looks['colour']}"


class ChannelState:
    """What the view knows of one channel; bounded, however long the session."""

    def __init__(self) -> None:
        self.emotion: Emotion | None = None
        self.speaking = False
        self.behind = False
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
        elif isinstance(event, Load):
            self.behind = event.behind
        elif isinstance(event, Emotion):
            self.emotion = event
            self._fill(event.end_ms, style(event.label))

    def quiet_until(self, ms: int) -> None:
        """The session has come to `ms`: a channel in which nobody speaks is silent until there."""
        if not self.speaking:
            self._fill(ms, SILENCE)

    def timeline(self, width: int) -> Text:
        """The last `width` cells, newest at the right."""
        text = Text(no_wrap=True)
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

    def __init__(self, page: str | None) -> None:
        self.page = page
        self.started: SessionStarted | None = None
        self.ended: SessionEnded | None = None
        self.channels: list[ChannelState] = []
        self.notes: deque[str] = deque(maxlen=3)

    def take(self, event: AnyEvent) -> None:
        """Take the next event."""
        if isinstance(event, SessionStarted):
            self.started, self.ended = event, None
            self.channels = [ChannelState() for _ in range(event.channels)]
        elif isinstance(event, SessionEnded):
            self.ended = event
        elif isinstance(event, ErrorEvent):
            self.notes.append(event.message)
        elif isinstance(event, Gap):
            self.notes.append(f"{event.end_ms - event.start_ms} ms of sound lost: {event.cause}")
        elif isinstance(event, Marker):
            self.notes.append(f"marker at {event.start_ms / 1000:.1f} s: {event.note}")
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
        if not self.channels:
            parts.append(Text("waiting for the session to begin", "dim"))
        parts += [_line(note, "yellow") for note in self.notes]
        if self.page:
            parts.append(_line(f"{self.page}   Ctrl-C ends", "dim"))
        return Group(*parts, _line(NOTE, "dim"))

    def _channel(self, number: int, width: int) -> Panel:
        state = self.channels[number]
        rows: list[RenderableType] = [_headline(state)]
        if state.emotion:
            rows.append(bars(state.emotion, width - 4))
        rows.append(state.timeline(width - 4))
        title = Text(self._who(number))
        title.truncate(max(8, width - 6), overflow="ellipsis")
        return Panel(Group(*rows), title=title, title_align="left", width=width)

    def _who(self, number: int) -> str:
        started = self.started
        if started is None:
            return who(None, number)
        if len(self.channels) == 1 and not started.participants:
            return plain(started.source)
        return plain(f"{started.source} · {who(started, number)}")


def who(started: SessionStarted | None, number: int) -> str:
    """What a channel is called: by who speaks on it, else by its number, counted from 1."""
    if started and number < len(started.participants):
        return started.participants[number]
    return f"channel {number + 1}"


def _line(text: str, of: str) -> Text:
    return Text(plain(text), of, no_wrap=True, overflow="ellipsis")


def _headline(state: ChannelState) -> Text:
    speech = "speech" if state.speaking else "silence"
    if not state.emotion:
        return Text(f"listening … {speech}", "dim")
    e = state.emotion
    letter, colours = style(e.label)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f" {letter} ", f"bold {colours}")
    line.append(f" {e.label.upper()} {e.confidence:.0%}", "bold")
    line.append(f"   valence {e.valence:+.2f}  arousal {e.arousal:+.2f}   {speech}")
    line.append(f"   {e.latency_ms.total:.0f} ms", "dim")
    if state.behind or e.behind:
        line.append("  BEHIND", "bold red")
    return line


def bars(emotion: Emotion, width: int) -> Table:
    """Probabilities as bars, in two columns where there is room."""
    pairs = list(emotion.probabilities.items())
    columns = 2 if width >= 60 else 1
    rows = -(-len(pairs) // columns)
    room = max(6, min(40, width // columns - 22))
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns):
        table.add_column(width=width // columns - 2, no_wrap=True)
    parts = [pairs[at : at + rows] for at in range(0, len(pairs), rows)]
    for row in zip_longest(*parts):
        table.add_row(*(_bar(pair[0], pair[1], room) if pair else Text() for pair in row))
    return table


def _bar(label: str, probability: float, room: int) -> Text:
    letter, colours = style(label)
    text = Text(no_wrap=True)
    text.append(f" {letter} ", colours)
    name = plain(label)[:9]
    text.append(f" {name}{' ' * max(0, 9 - cell_len(name))} {probability:4.0%} ")
    text.append("█" * round(room * probability), look(label)["colour"])
    return text


def summary_table(summary: ChannelSummary, name: str) -> RenderableType:
    """What the channel of this name sounded like, as a table of shares."""
    head = (
        f"{plain(name)}: {summary.duration_ms / 1000:.1f} s, "
        f"{summary.speech_ms / 1000:.1f} s of speech, {summary.windows} windows"
    )
    if summary.gap_ms:
        head += f", {summary.gap_ms / 1000:.2f} s lost"
    if summary.superseded:
        head += f", {summary.superseded} windows superseded"
    if not summary.session.shares:
        return Text(f"{head}: no speech that is long enough was heard")
    rows = (_bar(label, share, 30) for label, share in summary.session.shares.items())
    return Group(Text(head), *rows)
