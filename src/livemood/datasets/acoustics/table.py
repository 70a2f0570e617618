"""Features of a manifest's items as CSV or Parquet."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from livemood.datasets.acoustics.frames import HOP_S
from livemood.datasets.acoustics.functionals import by_frame, check_groups, sound_of, whole
from livemood.datasets.item import Item
from livemood.datasets.manifest import relative
from livemood.errors import LivemoodError, UsageError

ENDINGS = (".csv", ".parquet")


def write_features(
    items: Sequence[Item],
    out: Path,
    groups: tuple[str, ...],
    *,
    frames: bool = False,
    done: Callable[[int], None] | None = None,
) -> int:
    """Write a row for each item, or with `frames` for each 10 ms of each; returns how many.

    The file's ending decides: `.csv` or `.parquet`. Columns of the manifest stand first. `done` is
    told how many items are done. Raises `UsageError` for an ending or a group that is not known.
    """
    import pandas as pd

    check_groups(groups)
    if out.suffix not in ENDINGS:
        raise UsageError(f"{out}: features are written as {' or '.join(ENDINGS)}")
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(items, start=1):
        sound = sound_of(item)
        known: dict[str, Any] = {
            "path": relative(item.path, out.parent),
            "start": item.start,
            "end": item.end,
            "speaker": item.speaker,
            "label": item.label,
            **item.columns,
        }
        if frames:
            found = by_frame(sound, groups)
            count = min((len(values) for values in found.values()), default=0)
            for n in range(count):
                values = {name: float(column[n]) for name, column in found.items()}
                rows.append({**known, "time_s": round(item.start + n * HOP_S, 3), **values})
        else:
            rows.append(known | whole(sound, groups))
        if done:
            done(number)
    if not rows:
        raise UsageError("rhythm and periods are of the whole: choose other groups with --frames")
    table = pd.DataFrame(rows)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".csv":
            table.to_csv(out, index=False, float_format="%.6g")
        else:
            table.to_parquet(out, index=False)
    except OSError as error:
        raise LivemoodError(f"cannot write {out}: {error.strerror or error}") from None
    return len(rows)
