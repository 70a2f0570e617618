"""The Python API behind `import livemood`."""

from collections.abc import Iterator
from pathlib import Path

from livemood.engine import BackgroundSession, MonitorSettings, analyze_file
from livemood.errors import LivemoodError
from livemood.model import load_model
from livemood.model.network import Provider
from livemood.sources import FileSource, Microphone, Source
from livemood.timeline.events import AnyEvent
from livemood.timeline.timeline import Timeline


def listen(
    file: str | Path | None = None,
    *,
    device: str | int | None = None,
    speed: float | None = 1.0,
    model: str | Path = "default",
    provider: Provider = "auto",
    settings: MonitorSettings | None = None,
) -> Iterator[AnyEvent]:
    """Events of a microphone, or of `file`, as they happen.

    `speed` is that of a file: 1.0 is real time, None as fast as possible. The session ends, with
    `session.ended` as the last event, when the file does or when the iterator is closed. Raises
    `LivemoodError` at once if there is no such file, device or model, and after the last event
    if the source failed on the way.
    """
    source: Source = FileSource(file, speed) if file is not None else Microphone(device)
    loaded = load_model(model, provider)
    loaded.warm_up()
    return _events(BackgroundSession(source, loaded, settings or MonitorSettings()))


def _events(session: BackgroundSession) -> Iterator[AnyEvent]:
    yield from session.events()
    if session.failure:
        raise session.failure


def analyze(
    path: str | Path,
    *,
    model: str | Path = "default",
    provider: Provider = "auto",
    settings: MonitorSettings | None = None,
) -> Timeline:
    """The timeline of a whole file.

    Raises `LivemoodError` if it cannot be read to its end; `analyze_file` of `livemood.engine`
    also returns the timeline of a damaged file up to where the damage is.
    """
    timeline, failure = analyze_file(path, load_model(model, provider), settings)
    if failure:
        raise LivemoodError(str(failure))
    return timeline
