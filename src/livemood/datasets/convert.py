"""From the formats of other programs to a manifest, and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from livemood.datasets.formats import (
    audacity,
    audformat_,
    elan,
    emobox,
    folders,
    kaldi,
    label_studio,
    nkululeko,
    readings,
    textgrid,
)
from livemood.datasets.formats.options import Reading
from livemood.datasets.item import Item
from livemood.errors import LivemoodError, UsageError
from livemood.training.data.manifest import DROPPED


@dataclass(frozen=True)
class Format:
    """A way to write labelled recordings."""

    read: Callable[[Path, Reading], list[Item]]
    write: Callable[[Sequence[Item], Path], None] | None
    place: str
    """What is written: a `file` or a `folder`."""


FORMATS: Final[dict[str, Format]] = {
    "audformat": Format(audformat_.read, audformat_.write, "folder"),
    "nkululeko": Format(nkululeko.read, nkululeko.write, "file"),
    "emobox": Format(emobox.read, emobox.write, "folder"),
    "kaldi": Format(kaldi.read, kaldi.write, "folder"),
    "textgrid": Format(textgrid.read, textgrid.write, "folder"),
    "eaf": Format(elan.read, elan.write, "folder"),
    "label-studio": Format(label_studio.read, label_studio.write, "file"),
    "audacity": Format(audacity.read, audacity.write, "folder"),
    "folders": Format(folders.read, folders.write, "folder"),
    "readings": Format(readings.read, None, "file"),
}
"""Formats by the name that --from and --to take. `readings` are timelines of livemood's."""


def format_of(name: str) -> Format:
    """The format of that name. Raises `UsageError` if there is none."""
    if name not in FORMATS:
        raise UsageError(f"no format is called {name!r}: use one of {', '.join(FORMATS)}")
    return FORMATS[name]


def read_dataset(
    source: Path, form: str, how: Reading, label_map: Mapping[str, str] | None = None
) -> list[Item]:
    """The items of `source`, labels renamed by `label_map`, those of `-` left out.

    Raises `UsageError` with the place and the reason for what is wrong in it.
    """
    reader = format_of(form)
    if not source.exists():
        raise UsageError(f"there is no {source}: check the path")
    try:
        items = reader.read(source, how)
    except OSError as error:
        raise LivemoodError(f"cannot read {error.filename or source}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{source} is not UTF-8 text: is it {form}?") from None
    return renamed(items, label_map or {})


def renamed(items: Sequence[Item], names: Mapping[str, str]) -> list[Item]:
    """The items, labels renamed by `names`, those of `-` left out.

    Raises `UsageError` for a name that no item has.
    """
    if unknown := set(names) - {item.label for item in items}:
        raise UsageError(f"--map {min(unknown)}: no item has that label")
    kept = [item for item in items if names.get(item.label) != DROPPED]
    return [item.labelled(names.get(item.label, item.label)) for item in kept]


def write_dataset(items: Sequence[Item], out: Path, form: str, *, guessed: bool = False) -> None:
    """Write `items` to `out`, a folder or a file as the format has it.

    `guessed` items go to Label Studio as predictions. Raises `UsageError` for what the format
    cannot hold, and where something else stands at `out`.
    """
    writer = format_of(form)
    if (write := writer.write) is None:
        raise UsageError(f"{form} come from livemood analyze: nothing is written as such")
    if writer.place == "folder" and out.is_file():
        raise UsageError(f"{out} is a file: {form} is a folder")
    if writer.place == "file" and out.is_dir():
        raise UsageError(f"{out} is a folder: {form} is a file")
    if writer.place == "folder" and out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty: what is there would mix with what is written")
    if guessed:
        if form != "label-studio":
            raise UsageError(f"--pre-annotations is for label-studio: {form} knows no guesses")
        write = partial(label_studio.write, guessed=True)
    try:
        write(items, out)
    except OSError as error:
        raise LivemoodError(f"cannot write {error.filename or out}: {error.strerror}") from None
