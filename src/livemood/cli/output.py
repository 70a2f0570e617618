"""Where a session's events go: standard output, a folder."""

import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from livemood.cli.plain import plain_json
from livemood.errors import LivemoodError
from livemood.timeline import AnyEvent, Timeline, parse_event
from livemood.timeline.events import SessionEnded
from livemood.timeline.export import to_json


class SessionOutput(Protocol):
    """Shown every event, in order; a context manager."""

    def show(self, event: AnyEvent) -> None:
        """Take the next event."""


class Printer:
    """One event a line on standard output, as it goes over the wire."""

    def show(self, event: AnyEvent) -> None:
        """Print it, at once."""
        sys.stdout.write(plain_json(event.model_dump_json()) + "\n")
        sys.stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class EventFile:
    """Writes events to NAME.jsonl as they come, and the whole timeline to NAME.json at the end.

    What was heard is in the file even if the program is killed; an earlier session's files are
    never overwritten.
    """

    def __init__(self, folder: Path, name: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stem = _unused(folder, safe_name(name))
            self._lines, self._whole = folder / f"{stem}.jsonl", folder / f"{stem}.json"
            self._file = self._lines.open("x", encoding="utf-8", buffering=1)
        except OSError as error:
            raise LivemoodError(f"cannot write into {folder}: {error.strerror}") from None

    def show(self, event: AnyEvent) -> None:
        """Write it; the last event completes the timeline."""
        try:
            self._file.write(event.model_dump_json() + "\n")
        except OSError as error:
            raise LivemoodError(f"cannot write {self._lines}: {error.strerror}") from None
        if isinstance(event, SessionEnded):
            self._file.flush()
            with self._lines.open("rb") as lines:
                write_text(self._whole, to_json(Timeline(map(parse_event, lines))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # a full disk was already said by the write
            self._file.close()


def _unused(folder: Path, stem: str) -> str:
    """`stem`, or `stem-2` and so on, for which `folder` has no events yet."""
    names = (f"{stem}-{n}" if n > 1 else stem for n in count(1))
    return next(name for name in names if not (folder / f"{name}.jsonl").exists())


def safe_name(name: str) -> str:
    """A file name from whatever a device or a file is called."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip("._")
    # File names are limited to 255 bytes, and an extension is to follow.
    return kept.encode()[:200].decode(errors="ignore") or "session"


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises `LivemoodError` if that cannot be done."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise LivemoodError(f"cannot write {path}: {error.strerror}") from None
