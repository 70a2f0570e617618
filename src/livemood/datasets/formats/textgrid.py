"""TextGrids of Praat (Boersma & Weenink), one a recording, by praatio."""

from collections.abc import Sequence
from pathlib import Path

from livemood.datasets.formats.options import (
    Reading,
    annotation_files,
    beside_sounds,
    by_recording,
    write_index,
)
from livemood.datasets.formats.tiers import from_tiers, to_tiers
from livemood.datasets.item import Item, duration_of
from livemood.errors import UsageError

ENDING = ".TextGrid"


def read(source: Path, how: Reading) -> list[Item]:
    """The items of a TextGrid, or of all in a folder. Raises `UsageError` for what is none."""
    from praatio import textgrid
    from praatio.data_classes.interval_tier import IntervalTier

    root, files = annotation_files(source, ENDING)
    items: list[Item] = []
    for file in files:
        try:
            grid = textgrid.openTextgrid(str(file), includeEmptyIntervals=False)
        except Exception as error:  # praatio raises whatever its parser stumbles on
            raise UsageError(f"{file} is no TextGrid: {_line(error)}") from None
        path = how.sound_of(file, root)
        tiers = {
            tier.name: [(float(e.start), float(e.end), e.label) for e in tier.entries]
            for tier in grid.tiers
            if isinstance(tier, IntervalTier)
        }
        items += from_tiers(tiers, path, duration_of(path), file, how)
    return items


def write(items: Sequence[Item], out: Path) -> None:
    """Write a TextGrid for each recording into the folder `out`."""
    from praatio import textgrid

    recordings = by_recording(items)
    places = beside_sounds(list(recordings), out, ENDING)
    write_index(places, out)
    for path, found in recordings.items():
        duration = duration_of(path)
        grid = textgrid.Textgrid(0, duration)
        for name, intervals in to_tiers(found, duration).items():
            grid.addTier(textgrid.IntervalTier(name, intervals, 0, duration))
        places[path].parent.mkdir(parents=True, exist_ok=True)
        grid.save(
            str(places[path]), "long_textgrid", includeBlankSpaces=True, reportingMode="error"
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
