"""What files sounded like, as tables."""

import csv
import io
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from livemood.cli.terminal.plain import plain
from livemood.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Row:
    """One channel of one file."""

    file: str
    who: str
    length_s: float
    speech_s: float
    label: str
    shares: str
    valence: float | None
    arousal: float | None
    gap_s: float


def rows(timeline: Timeline, file: str) -> list[Row]:
    """A row for each channel."""
    names = timeline.started.participants if timeline.started else ()
    unread = timeline.started.not_read if timeline.started else ()
    out = []
    for channel in timeline.channels:
        summary = timeline.summary(channel)
        if summary is None:
            continue
        whole = summary.session
        most = sorted(whole.shares.items(), key=lambda pair: -pair[1])[:3]
        out.append(
            Row(
                file,
                names[channel] if channel < len(names) else str(channel),
                summary.duration_ms / 1000,
                summary.speech_ms / 1000,
                whole.dominant or ("not read" if channel in unread else "no speech"),
                ", ".join(f"{label} {share:.0%}" for label, share in most),
                whole.valence,
                whole.arousal,
                summary.gap_ms / 1000,
            )
        )
    return out


def show(found: list[Row], console: Console) -> None:
    """Print one table of all files."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("channel")
    for name in ("length", "speech"):
        table.add_column(name, justify="right")
    table.add_column("sounds")
    table.add_column("shares")
    for name in ("valence", "arousal"):
        table.add_column(name, justify="right")
    lost = any(row.gap_s for row in found)
    if lost:
        table.add_column("lost", justify="right")
    before = None
    for row in found:
        cells = [
            plain(row.file) if row.file != before else "",
            plain(row.who),
            _clock(row.length_s),
            _clock(row.speech_s),
            row.label,
            row.shares,
            _signed(row.valence),
            _signed(row.arousal),
        ]
        table.add_row(*cells, *([f"{row.gap_s:.1f} s"] if lost else []))
        before = row.file
    console.print(table, highlight=False, markup=False)


def with_file_column(text: str, file: str, *, first: bool) -> str:
    """A table as CSV with the file's name before each row, its head only if it is the `first`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, row in enumerate(csv.reader(io.StringIO(text))):
        if number or first:
            writer.writerow(["file" if not number else file, *row])
    return out.getvalue()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"
