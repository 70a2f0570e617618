"""The Python API behind `import livemood`."""

import threading
from collections.abc import Iterator
from pathlib import Path

from livemood.engine import MonitorSettings, analyze_file, run
from livemood.engine.queue import EventQueue
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
    chosen = settings or MonitorSettings()
    chosen.check(loaded.manifest)
    events = EventQueue(live=source.live)
    stop = threading.Event()
    failures: list[Exception] = []

    def work() -> None:
        try:
            if failure := run(source, loaded, chosen, [events.put], stop):
                failures.append(failure)
        except Exception as error:
            failures.append(error)
        finally:
            events.close()

    worker = threading.Thread(target=work, name="livemood", daemon=True)
    return _drain(events, stop, worker, failures)


def _drain(
    events: EventQueue, stop: threading.Event, worker: threading.Thread, failures: list[Exception]
) -> Iterator[AnyEvent]:
    worker.start()
    try:
        while (event := events.get()) is not None:
            yield event
    finally:
        stop.set()
        events.close()
        worker.join()
    for failure in failures:
        raise failure


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
