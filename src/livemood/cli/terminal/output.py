"""Where a session's events go: standard output, a folder."""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import typer

from livemood.cli.terminal.plain import plain_json
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


class ProgressLine:
    """How much of a file was read: one line on stderr, painted anew each second."""

    EVERY_S = 1.0

    def __init__(self, now_ms: Callable[[], int], duration_s: float) -> None:
        self._now_ms, self._duration_s = now_ms, duration_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livemood-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        sys.stderr.write("\n")

    def _run(self) -> None:
        while True:
            over = self._over.wait(self.EVERY_S)
            seconds = self._now_ms() / 1000
            share = min(1.0, seconds / self._duration_s)
            sys.stderr.write(f"\rread {seconds:.0f} of {self._duration_s:.0f} s, {share:.0%} ")
            sys.stderr.flush()
            if over:
                return


class EventFile:
    """Writes events to NAME.jsonl as they come, and the whole timeline to NAME.json at the end.

    What was heard is in the file even if the program is killed; an earlier session's files are
    never overwritten.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._complete = False
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
            self._complete = True

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
        written = f"{self._lines} and {self._whole.name}" if self._complete else f"{self._lines}"
        typer.echo(f"wrote {written}", err=True)


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
