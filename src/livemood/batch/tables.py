"""The tables of an archive: what its timelines say, as rows of Parquet.

`channels` has a row for each channel of each file, `segments` one for each segment. Both name the
file in the column `path`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from livemood.errors import LivemoodError, UsageError

if TYPE_CHECKING:
    import pyarrow

Row = Mapping[str, Any]
Name = Literal["channels", "segments"]
CHANNELS: Final[Name] = "channels"
SEGMENTS: Final[Name] = "segments"


def channel_rows(path: str, timeline: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each channel of a timeline, given as the JSON object that `analyze` writes."""
    model = timeline["model"] or {}
    names = _participants(timeline)
    for channel in timeline["channels"]:
        number, summary = channel["channel"], channel["summary"]
        yield {
            "path": path,
            "channel": number,
            "participant": names[number] if number < len(names) else None,
            "duration_ms": channel["duration_ms"],
            "speech_ms": channel["speech_ms"],
            "gap_ms": summary.get("gap_ms"),
            "windows": summary.get("windows"),
            "label": summary.get("dominant"),
            "valence": summary.get("valence"),
            "arousal": summary.get("arousal"),
            "shares": list(summary["shares"].items()),
            "model": model.get("name"),
            "model_version": model.get("version"),
        }


def segment_rows(path: str, timeline: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each segment of a timeline, given as the JSON object that `analyze` writes."""
    for channel in timeline["channels"]:
        for segment in channel["segments"]:
            yield {"path": path, "channel": channel["channel"], **segment}


def _participants(timeline: Mapping[str, Any]) -> list[str]:
    for event in timeline["events"]:
        if event["type"] == "session.started":
            return list(event.get("participants") or ())
    return []


def check_parquet() -> None:
    """Raise `UsageError` if Parquet cannot be written here."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(
            "an archive's tables need pyarrow: pip install 'livemood[parquet]'"
        ) from None


def schema(name: Name) -> "pyarrow.Schema":
    """The columns of a table."""
    import pyarrow as pa

    first = [("path", pa.string()), ("channel", pa.int16())]
    if name == CHANNELS:
        return pa.schema(
            [
                *first,
                ("participant", pa.string()),
                ("duration_ms", pa.int64()),
                ("speech_ms", pa.int64()),
                ("gap_ms", pa.int64()),
                ("windows", pa.int64()),
                ("label", pa.string()),
                ("valence", pa.float32()),
                ("arousal", pa.float32()),
                ("shares", pa.map_(pa.string(), pa.float32())),
                ("model", pa.string()),
                ("model_version", pa.string()),
            ]
        )
    return pa.schema(
        [
            *first,
            ("start_ms", pa.int64()),
            ("end_ms", pa.int64()),
            ("label", pa.string()),
            ("confidence", pa.float32()),
            ("valence", pa.float32()),
            ("arousal", pa.float32()),
        ]
    )


def write_rows(target: Path, name: Name, rows: list[Row]) -> None:
    """Write a part of a table whole or not at all. Raises `LivemoodError` if that cannot be."""
    import pyarrow as pa
    from pyarrow import parquet

    partial = target.with_name(target.name + ".partial")
    try:
        parquet.write_table(pa.Table.from_pylist(rows, schema(name)), partial, compression="zstd")
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise LivemoodError(f"cannot write {target}: {error}") from None


def paths_in(part: Path) -> set[str]:
    """The files that a part has rows of. Raises `LivemoodError` if it is no Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return set(parquet.read_table(part, columns=["path"])["path"].to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise LivemoodError(
            f"{part} cannot be read ({error}): remove it, and run the same command again"
        ) from None
