"""One labelled stretch of a recording, with all columns of its table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import soundfile as sf

from livemood.errors import FileError

SAME_S: Final = 0.0015
"""Times nearer to each other than this are the same: some formats count milliseconds."""


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled recording, or a stretch of one."""

    path: Path
    speaker: str
    label: str
    start: float = 0.0
    """Where it begins in the file, in seconds."""
    end: float | None = None
    """Where it ends; none for the end of the file."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Every other column of its table, as text. Empty cells are left out."""

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return not self.start and self.end is None

    @property
    def channel(self) -> int:
        """The channel of the file, counted from 0."""
        return int(float(self.columns.get("channel", "0")))

    def span(self, duration: float) -> tuple[float, float]:
        """Where it begins and ends in a file of `duration` seconds."""
        return self.start, duration if self.end is None else self.end

    def labelled(self, label: str) -> "Item":
        """The same under another label."""
        return replace(self, label=label)


def duration_of(path: Path) -> float:
    """Seconds of sound in a file. Raises `FileError` if it cannot be decoded."""
    try:
        return float(sf.info(str(path)).duration)
    except (sf.LibsndfileError, OSError) as error:
        raise FileError(f"{path} cannot be decoded: {error}") from None


def is_sound(path: Path) -> bool:
    """Whether a file can be decoded."""
    try:
        sf.info(str(path))
    except (sf.LibsndfileError, OSError):
        return False
    return True


def seconds(value: float) -> str:
    """A time as tables have it: seconds, to a microsecond, without needless zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def stretch(start: float, end: float, duration: float) -> tuple[float, float | None]:
    """`start` and `end` of an item; the end of the file is none."""
    first = 0.0 if start < SAME_S else round(start, 6)
    return first, None if abs(end - duration) < SAME_S else round(end, 6)
