"""Tables that people write: CSV in any of the forms in which programs save it."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from livemood.errors import UsageError

DELIMITERS: Final = (",", ";", "\t")
"""What stands between columns; the header decides."""


def table_rows(
    table: Path, needed: Sequence[str], aliases: Mapping[str, str] | None = None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of the table as its name (`FILE row 3`) and its cells by column.

    UTF-8 or UTF-16; commas, semicolons or tabs between columns. `aliases` are columns that stand
    for others where those are missing. Raises `UsageError` with the row and the reason if it cannot
    be read, lacks a column that is `needed`, or has rows of unequal length.
    """
    text = _text(table)
    first = next(io.StringIO(text, newline=""), "")
    delimiter = next(
        (d for d in DELIMITERS if set(needed) <= set(_header(first, d, aliases or {}))), ","
    )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        header = _named(next(reader, []), aliases or {})
        _check(table, header, needed)
        for cells in reader:
            row = f"{table} row {reader.line_num}"
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise UsageError(f"{row}: {len(cells)} columns, but the header has {len(header)}")
            yield row, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise UsageError(
            f"{table} row {reader.line_num} is not CSV: look at its quotation marks ({error})"
        ) from None


def _text(table: Path) -> str:
    try:
        raw = table.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"the table {table} cannot be read: {reason}") from None
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        kind = "UTF-16, as it says" if wide else "UTF-8"
        raise UsageError(f"the table {table} is not {kind}: save it as CSV in UTF-8") from None
    if "\0" in text:
        raise UsageError(
            f"the table {table} is not text, or UTF-16 without its mark: save it as CSV in UTF-8"
        )
    return text


def _header(line: str, delimiter: str, aliases: Mapping[str, str]) -> list[str]:
    try:
        return _named(next(csv.reader([line], delimiter=delimiter), []), aliases)
    except csv.Error:
        return []


def _named(cells: Sequence[str], aliases: Mapping[str, str]) -> list[str]:
    header = [name.strip() for name in cells]
    return [
        aliases[name] if name in aliases and aliases[name] not in header else name
        for name in header
    ]


def _check(table: Path, header: Sequence[str], needed: Sequence[str]) -> None:
    if not header:
        raise UsageError(f"the table {table} is empty: its first row must name the columns")
    if missing := [name for name in needed if name not in header]:
        raise UsageError(f"{table} row 1: no column {', '.join(missing)}")
    if twice := {name for name in header if header.count(name) > 1}:
        raise UsageError(f"{table} row 1: the column {min(twice)} is there twice")
