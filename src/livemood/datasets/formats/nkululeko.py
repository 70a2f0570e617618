"""Tables of nkululeko (Burkhardt et al. 2022): CSV with `file`, `start`, `end`, `emotion`.

Times are written as audformat does, `0 days 00:00:01.25`, which is how nkululeko reads them.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from livemood.datasets.formats.options import Reading, cell_names
from livemood.datasets.item import Item
from livemood.datasets.manifest import columns_of, relative, write_text
from livemood.errors import UsageError
from livemood.training.data.tables import table_rows

_TIME = re.compile(r"(?:(\d+) days?,? *)?(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def read(source: Path, how: Reading) -> list[Item]:
    """The items of the table. Raises `UsageError` with the row and the reason."""
    items: list[Item] = []
    for row, cells in table_rows(source, ["file"]):
        others = {n: t for n, t in cells.items() if n not in ("file", "start", "end", "speaker")}
        label = others.pop(how.label_name(others, row))
        if not label:
            raise UsageError(f"{row}: no label")
        path = how.sound(cells["file"], source.parent, row)
        start, end = (_time(cells.get(name, ""), f"{row}: {name}") for name in ("start", "end"))
        kept = {name: text for name, text in others.items() if text}
        speaker = how.speaker(path, cells.get("speaker", ""))
        items.append(Item(path, speaker, label, start or 0.0, end, kept))
    return items


def _time(cell: str, where: str) -> float | None:
    """Seconds, as a number or as audformat writes them; none where nothing is written."""
    if cell in ("", "NaT"):
        return None
    if found := _TIME.fullmatch(cell):
        days, hours, minutes, rest = found.groups(default="0")
        return round(int(days) * 86_400 + int(hours) * 3600 + int(minutes) * 60 + float(rest), 6)
    try:
        return float(cell)
    except ValueError:
        raise UsageError(f"{where} must be a time, 0 days 00:00:01.5 say, not {cell!r}") from None


def write(items: Sequence[Item], out: Path) -> None:
    """Write the table `out`."""
    cell_names(items, ("file", "emotion"), "nkululeko")
    others = columns_of(items)
    timed = any(not item.whole for item in items)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *(["start", "end"] if timed else []), "speaker", "emotion", *others])
    for item in items:
        times = [_written(item.start), _written(item.end)] if timed else []
        cells = [item.columns.get(name, "") for name in others]
        path = relative(item.path, out.parent)
        writer.writerow([path, *times, item.speaker, item.label, *cells])
    write_text(out, text.getvalue())


def _written(time: float | None) -> str:
    if time is None:
        return ""
    minutes, rest = divmod(round(time * 1_000_000), 60_000_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} days {hours:02d}:{minutes:02d}:{rest / 1_000_000:09.6f}"
