"""What the terminal shows of a session, and how: fits 80 columns and 24 lines for two channels."""

from collections import deque
from collections.abc import Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from livemood.cli.terminal.plain import plain
from livemood.sources.reopened import UNPLUGGED
from livemood.timeline import AnyEvent
from livemood.timeline.events import (
    ChannelSummary,
    Emotion,
    ErrorEvent,
    Gap,
    Level,
    LevelProblem,
    Load,
    Marker,
    SessionEnded,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
)
from livemood.timeline.level_words import level_line
from livemood.timeline.look import look

NOTE = "How speech sounds: an estimate, not what a person feels; not a medical device."
SILENCE, LOST = ("·", "dim"), ("x", "bold red")
KNOWN_LATE_MS = 1000
METER = 8
"""Cells of the level meter."""
QUIETEST_DB, QUIET_DB = -70.0, -60.0
"""Where the meter begins, and below what speech is hardly read: yellow."""
BACK_MS = 2500
"""A device of which nothing was lost for so long is there."""
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
        self.heard_ms = 0
        """Until when somebody was heard."""
        self.behind = False
        self.problems: tuple[LevelProblem, ...] = ()
        """What is wrong with the sound now."""
        self._cells: deque[tuple[str, str]] = deque(maxlen=600)
        self._cell = 0

    def take(self, event: AnyEvent) -> None:
        """Take the next event of this channel."""
        if isinstance(event, SpeechStarted):
            self._fill(event.start_ms, SILENCE)
            self.speaking = True
        elif isinstance(event, SpeechEnded):
            self.speaking = False
            self.heard_ms = event.end_ms
        elif isinstance(event, Gap):
            self._fill(event.end_ms, LOST)
        elif isinstance(event, Load):
            self.behind = event.behind
        elif isinstance(event, Level):
            self.problems = event.problems
        elif isinstance(event, Emotion):
            self.emotion = event
            self.heard_ms = max(self.heard_ms, event.end_ms)
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
        self._unplugged: tuple[int, int] | None = None
        """Until when, and since when, a device was away the last time."""
        self.now_ms = 0
        """How far the sound has come."""
        self.levels_db: Sequence[float] = ()
        """How loud each channel is now, in dB of full scale; empty where nobody measures it."""
        self.duration_ms: int | None = None
        """How long all of it is, where that is known."""

    def tick(self, now_ms: int) -> None:
        """The sound has come to `now_ms`, be it that nobody speaks."""
        if self.ended or not self.started:
            return
        self.now_ms = max(self.now_ms, now_ms)
        if self._unplugged and self.now_ms > self._unplugged[0] + BACK_MS:
            self._forget_note(_unplugged(*self._unplugged))  # it is heard again: its gap is seen
            self._unplugged = None
        for channel in self.channels:
            # That somebody began to speak is known a moment later.
            channel.quiet_until(self.now_ms - KNOWN_LATE_MS)

    def take(self, event: AnyEvent) -> None:
        """Take the next event."""
        if isinstance(event, SessionStarted):
            self.started, self.ended, self.now_ms = event, None, 0
            self.channels = [ChannelState() for _ in range(event.channels)]
        elif isinstance(event, SessionEnded):
            self.ended = event
        elif isinstance(event, ErrorEvent):
            self.notes.append(event.message)
        elif isinstance(event, Gap) and event.cause == UNPLUGGED:
            self._note_unplugged(event)
        elif isinstance(event, Gap):
            self.notes.append(f"{event.end_ms - event.start_ms} ms of sound lost: {event.cause}")
        elif isinstance(event, Marker):
            self.notes.append(f"marker at {event.start_ms / 1000:.1f} s: {event.note}")
        if event.seq is not None and not isinstance(event, Marker):
            self.now_ms = max(self.now_ms, event.end_ms)
        if event.channel is not None:
            # Whoever watches from the middle of a session may never see its beginning.
            while len(self.channels) <= event.channel:
                self.channels.append(ChannelState())
            self.channels[event.channel].take(event)
            for channel in self.channels:
                channel.quiet_until(event.end_ms)

    def _forget_note(self, note: str) -> None:
        if note in self.notes:
            self.notes.remove(note)

    def _note_unplugged(self, event: Gap) -> None:
        """One note for all the gaps of a device that is away."""
        if self._unplugged and self._unplugged[0] >= event.start_ms - 1:
            since = self._unplugged[1]
            self._forget_note(_unplugged(*self._unplugged))
        else:
            since = event.start_ms
        self._unplugged = (event.end_ms, since)
        self.notes.append(_unplugged(*self._unplugged))

    def render(self, width: int) -> RenderableType:
        """The whole view."""
        parts: list[RenderableType] = [self._channel(n, width) for n in range(len(self.channels))]
        if not self.channels:
            parts.append(Text("waiting for the session to begin", "dim"))
        parts += [_line(note, "yellow") for note in self.notes]
        if self.duration_ms:
            share = min(1.0, self.now_ms / self.duration_ms)
            read = f"{self.now_ms / 1000:.0f} of {self.duration_ms / 1000:.0f} s, {share:.0%}"
            parts.append(_line(f"read {read}", "dim"))
        if self.page:
            parts.append(_line(f"{self.page}   Ctrl-C ends", "dim"))
        return Group(*parts, _line(NOTE, "dim"))

    def _channel(self, number: int, width: int) -> Panel:
        state = self.channels[number]
        over = self.ended is not None
        line = _headline(state, self.now_ms, over=over, read=is_read(self.started, number))
        if number < len(self.levels_db) and self.ended is None:
            line = _with_level(line, self.levels_db[number], width - 4)
        rows: list[RenderableType] = [line]
        if state.emotion:
            rows.append(bars(state.emotion, width - 4, current=state.speaking))
        if state.problems and self.ended is None:
            rows.append(_line(level_line(state.problems), "bold yellow"))
        rows.append(state.timeline(width - 4))
        title = Text(self._who(number))
        title.truncate(max(8, width - 6), overflow="ellipsis")
        subtitle = voice_words(state) if self.ended is None else None
        return Panel(
            Group(*rows),
            title=title,
            title_align="left",
            subtitle=subtitle,
            subtitle_align="left",
            width=width,
        )

    def _who(self, number: int) -> str:
        started = self.started
        if started is None:
            return who(None, number)
        if len(self.channels) == 1 and not started.participants:
            return plain(started.source)
        return plain(f"{started.source} · {who(started, number)}")


def voice_words(state: ChannelState) -> str | None:
    """How the voice differs from its usual while somebody speaks; None where it does not."""
    voice = state.emotion.voice if state.emotion and state.speaking else None
    if not voice or not voice.words:
        return None
    words = ("less lively" if word == "flatter" else word for word in voice.words)
    return f"{' and '.join(words)} than usual"


def _unplugged(until_ms: int, since_ms: int) -> str:
    return f"unplugged for {(until_ms - since_ms) // 1000} s: plug it in again"


def who(started: SessionStarted | None, number: int) -> str:
    """What a channel is called: by who speaks on it, else by its number, counted from 1."""
    if started and number < len(started.participants):
        return started.participants[number]
    return f"channel {number + 1}"


def is_read(started: SessionStarted | None, number: int) -> bool:
    """Whether a channel is read."""
    return started is None or number not in started.not_read


def _line(text: str, of: str) -> Text:
    return Text(plain(text), of, no_wrap=True, overflow="ellipsis")


def _headline(state: ChannelState, now_ms: int, *, over: bool, read: bool) -> Text:
    """How the voice sounds; where nobody speaks, dim, and since when it was not heard."""
    if not read:
        return Text("not read, as you asked", "dim")
    speech = "speech" if state.speaking else "silence"
    if not state.emotion:
        return Text(f"listening … {speech}", "dim")
    e = state.emotion
    letter, colours = style(e.label)
    line = Text(no_wrap=True, overflow="ellipsis")
    if not state.speaking:
        ago = max(0, now_ms - state.heard_ms) // 1000
        when = "at the end" if over and not ago else f"last heard {ago} s ago"
        line.append(f" {letter}  {e.label} {e.confidence:.0%}   {when}", "dim")
        return line
    line.append(f" {letter} ", f"bold {colours}")
    line.append(f" {e.label.upper()} {e.confidence:.0%}", "bold")
    line.append(f"   valence {e.valence:+.2f}  arousal {e.arousal:+.2f}   {speech}")
    line.append(f"   {e.latency_ms.total:.0f} ms", "dim")
    if state.behind or e.behind:
        line.append("  BEHIND", "bold red")
    return line


def _with_level(line: Text, level_db: float, width: int) -> Text:
    """The line with a level meter at its right end, where there is room."""
    cells = round(METER * (level_db - QUIETEST_DB) / -QUIETEST_DB)
    cells = max(0, min(METER, cells))
    shown = f"{level_db:4.0f} dB" if level_db > QUIETEST_DB else "no sound"
    meter = f"{shown:>8} " + "▮" * cells + "▯" * (METER - cells)
    if line.cell_len + cell_len(meter) + 2 > width:
        return line
    line.append(" " * (width - line.cell_len - cell_len(meter)))
    line.append(meter, "dim" if level_db > QUIET_DB else "yellow")
    return line


def bars(emotion: Emotion, width: int, *, current: bool = True) -> Table:
    """Probabilities as bars, in two columns where there is room; dim if they are not current."""
    pairs = list(emotion.probabilities.items())
    columns = 2 if width >= 60 else 1
    rows = -(-len(pairs) // columns)
    room = max(6, min(40, width // columns - 22))
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns):
        table.add_column(width=width // columns - 2, no_wrap=True)
    parts = [pairs[at : at + rows] for at in range(0, len(pairs), rows)]
    for row in zip_longest(*parts):
        cells = [_bar(pair[0], pair[1], room) if pair else Text() for pair in row]
        if not current:
            cells = [Text(cell.plain, "dim", no_wrap=True) for cell in cells]
        table.add_row(*cells)
    return table


def _bar(label: str, probability: float, room: int) -> Text:
    letter, colours = style(label)
    text = Text(no_wrap=True)
    text.append(f" {letter} ", colours)
    name = plain(label)[:9]
    text.append(f" {name}{' ' * max(0, 9 - cell_len(name))} {probability:4.0%} ")
    text.append("█" * round(room * probability), look(label)["colour"])
    return text


def summary_table(summary: ChannelSummary, started: SessionStarted | None) -> RenderableType:
    """What a channel sounded like, as a table of shares."""
    name = plain(who(started, summary.channel))
    if not is_read(started, summary.channel):
        return Text(f"{name}: not read, as you asked")
    head = (
        f"{name}: {summary.duration_ms / 1000:.1f} s, "
        f"{summary.speech_ms / 1000:.1f} s of speech, {summary.windows} windows"
    )
    if summary.gap_ms:
        head += f", {summary.gap_ms / 1000:.2f} s lost"
    for problem, ms in summary.level_ms.items():
        head += f", {problem} for {ms / 1000:.1f} s"
    if summary.superseded:
        head += f", {summary.superseded} windows superseded"
    if not summary.session.shares:
        return Text(f"{head}: no speech that is long enough was heard")
    rows = (_bar(label, share, 30) for label, share in summary.session.shares.items())
    return Group(Text(head), *rows)
