"""Audacity's label tracks: one text file a recording; from, to and the label, with tabs between.

A label track knows nothing but the label. What else is known of a stretch stands behind it in
brackets: `angry [speaker=ann; gender=female]`.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from livemood.datasets.formats.options import (
    Reading,
    annotation_files,
    beside_sounds,
    by_recording,
    write_index,
)
from livemood.datasets.item import Item, duration_of, seconds, stretch
from livemood.datasets.manifest import write_text
from livemood.errors import UsageError

ENDING = ".txt"

_FURTHER = re.compile(r"(?P<label>.*?) \[(?P<further>[^\[\]]*=[^\[\]]*)\]")


def read(source: Path, how: Reading) -> list[Item]:
    """The items of a label track, or of all in a folder. Raises `UsageError` with the line."""
    root, files = annotation_files(source, ENDING)
    items: list[Item] = []
    for file in files:
        path = how.sound_of(file, root)
        duration = duration_of(path)
        try:
            text = file.read_text("utf-8-sig")
        except UnicodeDecodeError:
            raise UsageError(f"{file} is not UTF-8 text: export the labels again") from None
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip() and not line.startswith("\\"):  # that is the range of frequencies
                items.append(_item(line, f"{file} line {number}", path, duration, how))
    return items


def _item(line: str, where: str, path: Path, duration: float, how: Reading) -> Item:
    cells = line.rstrip("\r").split("\t", 2)
    try:
        start, end = float(cells[0]), float(cells[1])
        text = cells[2].strip()
    except (ValueError, IndexError):
        raise UsageError(
            f"{where}: a label is two times in seconds and a text, with tabs between"
        ) from None
    if not text:
        raise UsageError(f"{where}: the label has no text")
    if not 0 <= start < end <= duration + 0.01:
        raise UsageError(
            f"{where}: from {start:g} to {end:g} s is no stretch of a file of {duration:.2f} s"
        )
    found = _FURTHER.fullmatch(text)
    further = dict(_pair(part) for part in found["further"].split("; ")) if found else {}
    label = _plain(found["label"]) if found else text
    speaker = how.speaker(path, further.pop("speaker", ""))
    return Item(path, speaker, label, *stretch(start, end, duration), further)


def write(items: Sequence[Item], out: Path) -> None:
    """Write a label track for each recording into the folder `out`."""
    recordings = by_recording(items)
    places = beside_sounds(list(recordings), out, ENDING)
    write_index(places, out)
    for path, found in recordings.items():
        duration = duration_of(path)
        lines = []
        for item in sorted(found, key=lambda item: item.start):
            start, end = item.span(duration)
            further = {"speaker": item.speaker, **item.columns}.items()
            known = "; ".join(f"{_quoted(name)}={_quoted(text)}" for name, text in further)
            label = f"{_quoted(item.label)} [{known}]"
            lines.append(f"{seconds(start)}\t{seconds(end)}\t{label}\n")
        write_text(places[path], "".join(lines))


def _quoted(text: str) -> str:
    """The text without characters that mean something in a label."""
    return "".join(f"%{ord(c):02X}" if c in "%;=[]\t\n\r" else c for c in text)


def _plain(text: str) -> str:
    return unquote(text)


def _pair(part: str) -> tuple[str, str]:
    name, _, text = part.partition("=")
    return _plain(name), _plain(text)
