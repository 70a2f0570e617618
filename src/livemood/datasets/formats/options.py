"""Options of a dataset that its file does not state, and where its sound is."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os.path import commonpath
from pathlib import Path
from typing import Final

from livemood.datasets.item import Item, is_sound
from livemood.datasets.manifest import relative, write_text
from livemood.errors import UsageError
from livemood.training.data.tables import table_rows

INDEX: Final = "recordings.csv"
"""Says which sound file each file of annotations belongs to, where that does not say it."""
LABELS: Final = ("label", "emotion")
"""Names that a tier, a column or a field of labels has if nobody says otherwise."""


@dataclass(frozen=True)
class Reading:
    """How a dataset is read."""

    sounds: Path | None = None
    """The folder of the sound files; a file's own folder if none."""
    labels_from: str | None = None
    """The tier, column or field that holds the label."""
    speaker_from: str | None = None
    """A regular expression: its first group, or else all of what it matches in the path of a
    sound file, is who speaks."""
    predictions: bool = False
    """Whether what a model guessed counts where nobody has annotated."""

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        if self.speaker_from is None:
            return None
        try:
            return re.compile(self.speaker_from)
        except re.error as error:
            raise UsageError(
                f"--speaker-from {self.speaker_from!r} is no regular expression: {error}"
            ) from None

    def speaker(self, path: Path, known: str = "") -> str:
        """Who speaks in a file: who is `known` to, or whom its path names.

        Raises `UsageError` if neither says.
        """
        if known:
            return known
        if self._pattern is None:
            raise UsageError(
                f"{path}: nothing says who speaks: give --speaker-from, a regular expression whose "
                "first group is the speaker in the path"
            )
        found = self._pattern.search(path.as_posix())
        if not found or not (name := found[1] if self._pattern.groups else found[0]):
            raise UsageError(f"{path}: --speaker-from {self.speaker_from!r} matches nothing in it")
        return name

    def sound(self, named: str, beside: Path, where: str) -> Path:
        """The sound file that is called `named` in a file that lies in the folder `beside`.

        Raises `UsageError`, with `where` it is named, if there is none.
        """
        folders = [folder for folder in (self.sounds, beside) if folder is not None]
        tried = [folder / named for folder in folders]
        tried += [folder / Path(named).name for folder in folders]
        for path in tried:
            if path.is_file():
                return path
        raise UsageError(f"{where}: no file {tried[0]}: give --sounds, the folder it is in")

    def sound_of(self, file: Path, root: Path) -> Path:
        """The sound file of a file of annotations that lies below `root`.

        `recordings.csv` in `root` names it; without, it stands beside and has the same name with
        another ending. Raises `UsageError` if there is none, or two.
        """
        if (root / INDEX).is_file():
            for row, cells in table_rows(root / INDEX, ["annotations", "path"]):
                if root / cells["annotations"] == file:
                    return self.sound(cells["path"], root, row)
        inside = file.parent.relative_to(root)
        for folder in [f for f in (self.sounds and self.sounds / inside, file.parent) if f]:
            if (exact := folder / file.stem).is_file():
                return exact
            near = sorted(p for p in folder.glob("*") if p.stem == file.stem and p.is_file())
            found = [path for path in near if path != file and is_sound(path)]
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(f"{file}: it may belong to {found[0].name} or {found[1].name}")
        raise UsageError(f"{file}: no sound file of that name: give --sounds, the folder it is in")

    def label_name(self, names: Iterable[str], where: str) -> str:
        """Which of `names`, of tiers or columns, holds the label. Raises `UsageError`."""
        there = list(names)
        if self.labels_from is not None:
            if self.labels_from not in there:
                raise UsageError(f"{where}: no {self.labels_from!r} in it, only {listed(there)}")
            return self.labels_from
        for name in LABELS:
            if found := [x for x in there if x.casefold() == name]:
                return found[0]
        if len(there) == 1:
            return there[0]
        raise UsageError(f"{where}: which holds the labels? Give --labels-from: {listed(there)}")


def listed(names: Iterable[str]) -> str:
    """Names in a message."""
    return ", ".join(names) or "nothing"


def by_recording(items: Iterable[Item]) -> dict[Path, list[Item]]:
    """The items of each sound file."""
    found: dict[Path, list[Item]] = defaultdict(list)
    for item in items:
        found[item.path].append(item)
    return dict(found)


def beside_sounds(paths: Sequence[Path], out: Path, ending: str) -> dict[Path, Path]:
    """For each sound file the file in `out` that goes with it, in the same folders.

    It has the sound file's name with another ending; both endings where two would be the same.
    """
    root = Path(commonpath([p.resolve().parent for p in paths]))
    bare = {p: p.resolve().relative_to(root).with_suffix("") for p in paths}
    twice = {name for name in bare.values() if list(bare.values()).count(name) > 1}
    return {
        path: out / name.parent / f"{path.name if name in twice else name.name}{ending}"
        for path, name in bare.items()
    }


def write_index(places: Mapping[Path, Path], out: Path) -> None:
    """Write which sound file each file of annotations in `out` belongs to."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["annotations", "path"])
    for path, file in places.items():
        writer.writerow([file.relative_to(out).as_posix(), relative(path, out)])
    write_text(out / INDEX, text.getvalue())


def annotation_files(source: Path, ending: str) -> tuple[Path, list[Path]]:
    """The folder and the files of annotations that `source`, a file or a folder, stands for.

    Raises `UsageError` if there are none.
    """
    if source.is_file():
        return source.parent, [source]
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() == ending.lower())
    if not found:
        raise UsageError(f"{source} holds no {ending} file: check the path and --from")
    return source, found


def cell_names(items: Iterable[Item], taken: Iterable[str], form: str) -> None:
    """Raise `UsageError` if a column of the items has a name that the format uses itself."""
    for item in items:
        if both := sorted(set(item.columns) & set(taken)):
            raise UsageError(f"the column {both[0]!r} has a name that {form} needs: rename it")
