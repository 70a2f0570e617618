"""Folders named by label: `angry/one.wav`, or `angry/SPEAKER/one.wav`.

`metadata.csv` beside the folders, with a column `file_name`, says what else is known, as audio
folders of Hugging Face's datasets have it. What is written there is read again.
"""

import csv
import io
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import soundfile as sf

from livemood.datasets.formats.options import Reading, cell_names
from livemood.datasets.item import Item, duration_of, is_sound
from livemood.datasets.manifest import columns_of, write_text
from livemood.errors import FileError, UsageError
from livemood.training.data.tables import table_rows

log = logging.getLogger(__name__)

TABLE = "metadata.csv"


def read(source: Path, how: Reading) -> list[Item]:
    """The items of a folder. Raises `UsageError` if nothing says who speaks."""
    if not source.is_dir():
        raise UsageError(f"{source} is no folder: name the one that holds a folder for each label")
    known: dict[Path, dict[str, str]] = {}
    if (source / TABLE).is_file():
        for row, cells in table_rows(source / TABLE, ["file_name"]):
            known[how.sound(cells.pop("file_name"), source, row)] = cells
    items: list[Item] = []
    strange = 0
    for path in sorted(p for p in source.glob("*/**/*") if p.is_file()):
        if path.name.startswith("."):
            continue
        if not is_sound(path):
            strange += 1
            continue
        inside = path.relative_to(source).parts
        columns = {name: text for name, text in known.get(path, {}).items() if text}
        label = columns.pop("label", inside[0])
        who = columns.pop("speaker", "" if how.speaker_from else "".join(inside[1:-1][:1]))
        items.append(Item(path, how.speaker(path, who), label, columns=columns))
    if strange:
        log.warning("%s: %d files are no sound that can be decoded: left out", source, strange)
    if not items:
        raise UsageError(f"{source} holds no folder with sound in it")
    return items


def write(items: Sequence[Item], out: Path) -> None:
    """Copy the sound into a folder for each label; a stretch of a file becomes a FLAC file."""
    cell_names(items, ("file_name",), "a folder")
    others = [name for name in columns_of(items) if name != "channel"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file_name", "label", "speaker", *others])
    taken: set[str] = set()
    for item in items:
        name = _copied(item, out, taken)
        cells = [item.columns.get(column, "") for column in others]
        writer.writerow([name, item.label, item.speaker, *cells])
    write_text(out / TABLE, text.getvalue())


def _copied(item: Item, out: Path, taken: set[str]) -> str:
    """Copy the sound of an item. Returns the file's place in `out`."""
    if item.label in (".", "..") or any(c in item.label for c in '/\\:\0"*<>?|'):
        raise UsageError(f"the label {item.label!r} cannot be the name of a folder: rename it")
    whole = item.whole and "channel" not in item.columns
    ending = item.path.suffix if whole else ".flac"
    name = f"{item.label}/{item.path.stem}{ending}"
    number = 2
    while name in taken:
        name, number = f"{item.label}/{item.path.stem}-{number}{ending}", number + 1
    taken.add(name)
    place = out / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if whole:
        shutil.copyfile(item.path, place)
        return name
    start, end = item.span(duration_of(item.path))
    try:
        with sf.SoundFile(str(item.path)) as file:
            rate = file.samplerate
            file.seek(round(start * rate))
            sound = file.read(round((end - start) * rate), dtype="int16", always_2d=True)
        sf.write(str(place), sound[:, item.channel], rate)
    except (sf.LibsndfileError, OSError, IndexError) as error:
        raise FileError(f"{item.path} cannot be decoded: {error}") from None
    return name
