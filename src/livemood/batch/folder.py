"""The folder of an archive's results: what is in it is what is done.

    archive.json              the model and the settings that all of it was read by
    timelines/ab/NAME-ID.json one timeline a file; ID is the beginning of its name's SHA-256
    channels/*.parquet        a row for each channel of each file
    segments/*.parquet        a row for each segment
    failures/SHARD.jsonl      the files that failed, and why

Several shards may write into one folder at once, on a disk that they share.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from livemood.batch.files import ArchiveFile, Shard
from livemood.batch.reading import Outcome
from livemood.batch.tables import (
    CHANNELS,
    SEGMENTS,
    Row,
    channel_rows,
    paths_in,
    segment_rows,
    write_rows,
)
from livemood.errors import LivemoodError, UsageError

PART_FILES = 500
"""Files in one part of a table."""
NAME_LENGTH = 80


class ArchiveFolder:
    """Results of one shard. Raises `LivemoodError` for what cannot be written or read."""

    def __init__(self, out: Path, shard: Shard, about: dict[str, Any]) -> None:
        """`about` is what the results depend on. Raises `UsageError` if `out` has others."""
        self.out, self.shard = out, shard
        self._waiting: list[Outcome] = []
        self._failures: dict[str, dict[str, Any]] = {}
        for name in ("timelines", CHANNELS, SEGMENTS, "failures"):
            _make(out / name)
        self._check(about)
        self._read_failures()

    def has(self, file: ArchiveFile) -> bool:
        """Whether a file was read before."""
        return self.timeline(file).is_file()

    def timeline(self, file: ArchiveFile) -> Path:
        """Where the timeline of a file is, or will be."""
        digest = file.digest.hex()[:16]
        base = file.name.replace("\\", "/").rpartition("/")[2]
        kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in base).strip("._")
        kept = kept.encode()[:NAME_LENGTH].decode(errors="ignore") or "file"
        return self.out / "timelines" / digest[:2] / f"{kept}-{digest}.json"

    def take(self, outcome: Outcome) -> None:
        """Write what came of a file."""
        name = outcome.file.name
        self._failures.pop(name, None)
        if outcome.failure:
            self._add_failure(name, outcome.failure, partly=outcome.text is not None)
        if outcome.text is not None:
            target = self.timeline(outcome.file)
            _make(target.parent)
            _write(target, outcome.text)
            self._waiting.append(outcome)
        if len(self._waiting) >= PART_FILES:
            self.flush()

    def complete(self, files: Iterable[ArchiveFile]) -> None:
        """Write the rows of those of `files` that have a timeline and no rows yet."""
        known = self._in_tables()
        for file in files:
            if file.name not in known and self.has(file):
                self._waiting.append(self._read_again(file))
                if len(self._waiting) >= PART_FILES:
                    self.flush()
        self.flush()

    def flush(self) -> None:
        """Write the rows that wait, as the next part of both tables."""
        if self._waiting:
            number = 1 + max(self._numbers(), default=0)
            part = f"shard-{self.shard}-{number:06}.parquet"
            segments = [row for outcome in self._waiting for row in outcome.segments]
            channels = [row for outcome in self._waiting for row in outcome.channels]
            # `channels` last: it says what is in the tables. Segments that a killed run left
            # without it have the same number, and are written over.
            write_rows(self.out / SEGMENTS / part, SEGMENTS, segments)
            write_rows(self.out / CHANNELS / part, CHANNELS, channels)
            self._waiting = []
        self._write_failures()

    @property
    def failed(self) -> int:
        """Files of this shard that failed, in this run or before."""
        return len(self._failures)

    @property
    def failures(self) -> Path:
        """Where the failures of this shard are written."""
        return self.out / "failures" / f"shard-{self.shard}.jsonl"

    def _check(self, about: dict[str, Any]) -> None:
        path = self.out / "archive.json"
        if not path.is_file():
            _write(path, json.dumps(about, indent=2) + "\n")
            return
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            raise LivemoodError(f"{path} cannot be read: choose another --out") from None
        if found != about:
            differ = sorted(k for k in {*found, *about} if found.get(k) != about.get(k))
            raise UsageError(
                f"{self.out} was read with different {' and '.join(differ)}: choose another --out, "
                "or the same options as before"
            )

    def _numbers(self) -> list[int]:
        parts = (self.out / CHANNELS).glob(f"shard-{self.shard}-*.parquet")
        return [int(part.stem.rpartition("-")[2]) for part in parts]

    def _in_tables(self) -> set[str]:
        known: set[str] = set()
        for part in sorted((self.out / CHANNELS).glob("*.parquet")):
            known |= paths_in(part)
        return known

    def _read_again(self, file: ArchiveFile) -> Outcome:
        path = self.timeline(file)
        try:
            found = json.loads(path.read_text("utf-8"))
            rows: tuple[list[Row], list[Row]] = (
                list(channel_rows(file.name, found)),
                list(segment_rows(file.name, found)),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise LivemoodError(
                f"{path} is no timeline: remove it, and run the same command again"
            ) from None
        return Outcome(file, None, None, tuple(rows[0]), tuple(rows[1]))

    def _read_failures(self) -> None:
        if self.failures.is_file():
            for line in self.failures.read_text("utf-8").splitlines():
                with suppress(ValueError):  # the last line of a run that was killed
                    found = json.loads(line)
                    self._failures[found["path"]] = found

    def _add_failure(self, name: str, error: str, *, partly: bool) -> None:
        row = self._failures[name] = {"path": name, "error": error, "partly_read": partly}
        try:
            with self.failures.open("a", encoding="utf-8") as lines:
                lines.write(_line(row))
        except OSError as problem:
            raise LivemoodError(f"cannot write {self.failures}: {problem.strerror}") from None

    def _write_failures(self) -> None:
        _write(self.failures, "".join(map(_line, self._failures.values())))


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LivemoodError(f"cannot write into {folder}: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise LivemoodError(f"cannot write {path}: {error.strerror}") from None
