"""Which files an archive holds, and which of them are one shard's."""

import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from livemood.errors import FileError, UsageError

MANIFESTS: Final = (".csv", ".tsv", ".txt")
COLUMN: Final = "path"
_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file of an archive."""

    name: str
    """What it is called in results: as the manifest or the command line writes it."""
    path: str
    """Where it is opened."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the name in UTF-8: the same on every machine."""
        return hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of an archive, numbered from 1.

    A file belongs to the shard whose number less one is the first eight bytes of the SHA-256 of
    its name, read as a big-endian integer, modulo `count`. So where a file belongs depends on its
    name and `count` alone: not on the order of files, nor on which others there are.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """`I/N`, from 1/N to N/N. Raises `UsageError` for anything else."""
        found = _SHARD.fullmatch(text.strip())
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count:
            raise UsageError(f"--shard {text}: give I/N, from 1/N to N/N, as 3/16")
        return cls(number, count)

    def has(self, file: ArchiveFile) -> bool:
        """Whether a file is this shard's."""
        return int.from_bytes(file.digest[:8], "big") % self.count == self.number - 1

    def of(self, files: Iterable[ArchiveFile]) -> list[ArchiveFile]:
        """Those of `files` that are this shard's, each name once, in order."""
        found = {file.name: file for file in files if self.has(file)}
        return list(found.values())

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


def is_manifest(name: str) -> bool:
    """Whether a name is that of a manifest, by its ending."""
    return name.lower().endswith(MANIFESTS)


def read_manifest(table: Path) -> list[ArchiveFile]:
    """The files that a manifest names, relative to its folder.

    `.csv` and `.tsv` need a header and a column `path`; other columns are passed over. `.txt` has
    one path a line. Raises `FileError` if it cannot be read, and `UsageError` if it names none.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            names = _names(table, lines)
    except OSError as error:
        raise FileError(f"cannot read {table}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{table} is no table in UTF-8: {error}") from None
    if not names:
        raise UsageError(f"{table} names no file: it needs one path a row")
    return [ArchiveFile(name, str(table.parent / name)) for name in names]


def _names(table: Path, lines: Iterable[str]) -> list[str]:
    if table.suffix.lower() == ".txt":
        return [line.rstrip("\r\n") for line in lines if line.strip()]
    rows = csv.DictReader(lines, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
    if COLUMN not in (rows.fieldnames or ()):
        raise UsageError(f"{table} has no column {COLUMN!r}: name the column of files so")
    names = []
    for row in rows:
        if not row[COLUMN]:
            raise UsageError(f"{table}, line {rows.line_num}: no {COLUMN}")
        names.append(row[COLUMN])
    return names
