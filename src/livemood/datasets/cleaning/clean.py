"""`livemood data clean`: a dataset written anew, item by item, and a record of what was done."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile as sf

from livemood.audio.block import Samples
from livemood.audio.resample import resample
from livemood.datasets.acoustics import frames
from livemood.datasets.acoustics.functionals import sound_of
from livemood.datasets.cleaning import steps
from livemood.datasets.item import Item
from livemood.datasets.quality.check import CLIPPED_SHARE, SHORT_S, SILENT_DB
from livemood.datasets.quality.facts import CLIPPED
from livemood.errors import LivemoodError, UsageError

FAULTS: Final = ("silent", "short", "clipped", "duplicate")
"""Why an item can be left out."""
OF_PLACE: Final = ("channel",)
"""Columns that say where an item lies in its file: the file that is written holds it alone."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What is done to each item, in this order."""

    declip: bool = False
    rate: int = 16_000
    """Hz of what is written."""
    denoise: bool = False
    trim: bool = False
    lufs: float | None = None
    """Loudness that items are brought to; none leaves it as it is."""
    drop: tuple[str, ...] = FAULTS
    """Faults for which an item is left out."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.drop if name not in FAULTS]:
            known = ", ".join(FAULTS)
            raise UsageError(f"no fault is called {unknown[0]!r}: use some of {known}, or none")
        if self.trim and self.rate != 16_000:
            raise UsageError("speech is found at 16000 Hz: leave out --trim, or --rate")


@dataclass(slots=True)
class Cleaned:
    """What came of it."""

    items: list[Item] = field(default_factory=list)
    """Those that are left, in their new files."""
    dropped: list[dict[str, Any]] = field(default_factory=list)
    """Row (from 1), path, label, and why it was left out; of a duplicate also which row it repeats,
    and under which label."""
    seconds_before: float = 0.0
    seconds_after: float = 0.0


def clean(
    items: Sequence[Item],
    out: Path,
    how: Cleaning,
    done: Callable[[int], None] | None = None,
) -> Cleaned:
    """Write each item as FLAC into `out`/sound, less what is at fault.

    The sources are only read. `done` is told how many items are done. Raises `UsageError` for a
    file that cannot be decoded, `LivemoodError` where nothing can be written.
    """
    found = Cleaned()
    first_of: dict[str, tuple[int, str]] = {}
    for number, item in enumerate(items, start=1):
        sound, rate = _read(item)
        found.seconds_before += len(sound) / rate
        where = {"row": number, "path": str(item.path), "label": item.label}
        faults = [name for name in _faults(sound, rate) if name in how.drop]
        digest = hashlib.sha256(np.round(sound * 32767).astype("<i2").tobytes()).hexdigest()
        if faults:
            found.dropped.append({**where, "why": faults[0]})
        elif "duplicate" in how.drop and digest in first_of:
            row, label = first_of[digest]
            found.dropped.append({**where, "why": "duplicate", "of_row": row, "of_label": label})
        else:
            first_of[digest] = number, item.label
            changed = _changed(sound, rate, how)
            path = out / "sound" / f"{number:06d}-{_safe(item.path.stem)}.flac"
            _write(path, changed, how.rate)
            columns = {k: v for k, v in item.columns.items() if k not in OF_PLACE}
            found.items.append(replace(item, path=path, start=0.0, end=None, columns=columns))
            found.seconds_after += len(changed) / how.rate
        if done:
            done(number)
    return found


def _read(item: Item) -> tuple[Samples, int]:
    """The sound of an item at its file's own rate."""
    try:
        rate = int(sf.info(str(item.path)).samplerate)
    except (sf.LibsndfileError, OSError) as error:
        raise UsageError(f"{item.path} cannot be decoded: {error}") from None
    return sound_of(item, rate), rate


def _faults(sound: Samples, rate: int) -> list[str]:
    """Every fault of an item by itself."""
    power = np.array([np.mean(np.square(sound, dtype=np.float64)) if len(sound) else 0.0])
    clipped = len(sound) and float(np.mean(np.abs(sound) >= CLIPPED)) > CLIPPED_SHARE
    holds = {
        "short": len(sound) < SHORT_S * rate,
        "silent": frames.decibels(power)[0] < SILENT_DB,
        "clipped": clipped,
    }
    return [name for name, does in holds.items() if does]


def _changed(sound: Samples, rate: int, how: Cleaning) -> Samples:
    if how.declip:
        sound = steps.declip(sound)
    sound = resample(sound, rate, how.rate)
    if how.denoise:
        sound = steps.denoise(sound, how.rate)
    if how.trim:
        sound = steps.trim(sound, how.rate)
    return sound if how.lufs is None else steps.normalise(sound, how.rate, how.lufs)


def _write(path: Path, sound: Samples, rate: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, np.clip(sound, -1, 1), rate, format="FLAC", subtype="PCM_24")
    except (OSError, sf.LibsndfileError) as error:
        raise LivemoodError(f"cannot write {path}: {error}") from None


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)[:80]
