"""ELAN's EAF (Wittenburg et al. 2006), one a recording, by pympi. Times are whole milliseconds."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from livemood.datasets.formats.options import (
    Reading,
    annotation_files,
    beside_sounds,
    by_recording,
)
from livemood.datasets.formats.tiers import Tiers, from_tiers, to_tiers
from livemood.datasets.item import Item, duration_of
from livemood.datasets.manifest import relative
from livemood.errors import UsageError

ENDING = ".eaf"


def read(source: Path, how: Reading) -> list[Item]:
    """The items of an EAF, or of all in a folder. Raises `UsageError` for what is none."""
    from pympi import Elan

    root, files = annotation_files(source, ENDING)
    items: list[Item] = []
    for file in files:
        try:
            document = Elan.Eaf(str(file), suppress_version_warning=True)
            tiers: Tiers = {
                name: [
                    (row[0] / 1000, row[1] / 1000, row[2] or "")
                    for row in sorted(document.get_annotation_data_for_tier(name))
                ]
                for name in document.get_tier_names()
            }
            linked = [d.get("RELATIVE_MEDIA_URL") or "" for d in document.media_descriptors]
            linked += [d.get("MEDIA_URL") or "" for d in document.media_descriptors]
        except Exception as error:  # pympi raises whatever its parser stumbles on
            line = " ".join(str(error).split())[:200]
            raise UsageError(f"{file} is no ELAN file: {line}") from None
        path = _linked(linked, file, how) or how.sound_of(file, root)
        items += from_tiers(tiers, path, duration_of(path), file, how)
    return items


def _linked(urls: Sequence[str], file: Path, how: Reading) -> Path | None:
    """The first of the media files that is there."""
    for url in urls:
        path = file.parent / unquote(urlsplit(url).path)
        if url and path.is_file():
            return path
        if url and how.sounds and (moved := how.sounds / path.name).is_file():
            return moved
    return None


def write(items: Sequence[Item], out: Path) -> None:
    """Write an EAF for each recording into the folder `out`."""
    from pympi import Elan

    recordings = by_recording(items)
    places = beside_sounds(list(recordings), out, ENDING)
    for path, found in recordings.items():
        duration = duration_of(path)
        document = Elan.Eaf(author="livemood")
        document.remove_tier("default")
        document.add_linked_file(
            path.resolve().as_uri(), relative(path, places[path].parent), "audio/x-wav"
        )
        for name, intervals in to_tiers(found, duration).items():
            document.add_tier(name)
            for start, end, text in intervals:
                first, last = round(start * 1000), round(end * 1000)
                if first == last:
                    raise UsageError(
                        f"{path}: a stretch at {start:g} s is shorter than ELAN's 1 ms"
                    )
                document.add_annotation(name, first, last, text)
        places[path].parent.mkdir(parents=True, exist_ok=True)
        document.to_file(str(places[path]))
