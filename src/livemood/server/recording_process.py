"""Reads an uploaded recording, in a process of its own and of low priority.

What is asked for comes as one JSON object on standard input, answers go to standard output, one
JSON object a line. `probe` opens the file and says what it holds, or why it cannot be read; `read`
prints the events of its timeline. Files of strangers are decoded here and not in the server, and
live sound comes first.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from livemood.audio import AudioBlock
from livemood.errors import FileError, LivemoodError
from livemood.server.priority import give_way
from livemood.server.storage.sound import Recording
from livemood.sources import FileSource


class Task(BaseModel):
    """What is to be done with a recording."""

    do: Literal["probe", "read"]
    path: Path
    name: str
    """What it is called in messages and on its timeline."""
    session: str = ""
    model: str = "default"
    version: str | None = None
    """Of the model that the server reads with: another must not be used."""
    settings: dict[str, Any] = {}
    """Those of `MonitorSettings`."""
    purpose: str | None = None
    consent: str | None = None
    participants: tuple[str, ...] = ()
    keep: Path | None = None
    """Where its sound is to be kept, as Opus; none keeps none."""


class Probed(BaseModel):
    """What a file holds, or why it cannot be read."""

    channels: int = 0
    rate: int = 0
    failure: str | None = None


class Uploaded:
    """An uploaded file as a source: under its own name, and kept as it is read if that is asked."""

    live = False

    def __init__(self, task: Task) -> None:
        """Raises `FileError` if it cannot be read."""
        self._path, self.name = str(task.path), task.name
        try:
            self._file = FileSource(task.path)
        except FileError as error:
            raise self._named(error) from None
        self.sample_rate, self.channels = self._file.sample_rate, self._file.channels
        self._kept = Recording(task.keep, self.sample_rate, self.channels) if task.keep else None

    def blocks(self) -> Iterator[AudioBlock]:
        """Its sound. Raises `FileError` where it is damaged or cut off."""
        try:
            for block in self._file.blocks():
                self._keep(block)
                yield block
        except FileError as error:
            raise self._named(error) from None
        finally:
            self._keep(None)

    def stop(self) -> None:
        """End the sound where it is."""
        self._file.stop()

    def _keep(self, block: AudioBlock | None) -> None:
        if self._kept is None:
            return
        try:
            self._kept.push(block) if block else self._kept.finish()
            self._kept.write()
        except (OSError, RuntimeError):  # soundfile's own is the latter
            sys.stderr.write("the sound of a recording cannot be kept\n")
            self._kept = None

    def _named(self, error: FileError) -> FileError:
        return FileError(str(error).replace(self._path, self.name))


def probe(task: Task) -> Probed:
    """What the file holds."""
    try:
        source = Uploaded(task.model_copy(update={"keep": None}))
    except LivemoodError as error:
        return Probed(failure=str(error))
    return Probed(channels=source.channels, rate=source.sample_rate)


def read(task: Task) -> None:
    """Print the events of its timeline; SIGTERM ends it in order where it is."""
    # A probe, which somebody waits for, does without these.
    from livemood.engine.extensions.user_model import open_model, reader_of
    from livemood.engine.session import About
    from livemood.engine.settings import MonitorSettings
    from livemood.engine.threads import run
    from livemood.timeline.events import AnyEvent

    give_way()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def tell(event: AnyEvent) -> None:
        print(event.model_dump_json(), flush=True)  # noqa: T201 - this is how it answers

    model = open_model(task.model, "cpu")
    if task.version is not None and reader_of(model).info.version != task.version:
        raise LivemoodError(f"model {task.model} is another now than the server's")
    about = About(task.purpose, task.consent, task.participants)
    settings = MonitorSettings.read(task.settings)
    run(Uploaded(task), model, settings, [tell], stop, about, session=task.session)


def main() -> None:
    """Do what standard input asks for."""
    task = Task.model_validate_json(sys.stdin.buffer.read())
    if task.do == "probe":
        print(probe(task).model_dump_json())  # noqa: T201
    else:
        try:
            read(task)
        except LivemoodError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
