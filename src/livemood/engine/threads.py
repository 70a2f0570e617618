"""Threads around a monitor: one brings the sound, one reads it."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from livemood.engine.session import About, Monitor, Sink
from livemood.engine.settings import MonitorSettings
from livemood.errors import SourceError
from livemood.model import Model
from livemood.sources import FileSource, Source
from livemood.timeline.timeline import Timeline


def run(
    source: Source,
    model: Model,
    settings: MonitorSettings,
    sinks: Sequence[Sink],
    stop: threading.Event | None = None,
    about: About | None = None,
) -> SourceError | None:
    """Listen to `source` to its end, or until `stop` is set.

    A source that fails ends the session with an `error` event after everything heard before has
    been read; the error is returned, so that a caller can say so.
    """
    monitor = Monitor(
        model,
        settings,
        source=source.name,
        sample_rate=source.sample_rate,
        channels=source.channels,
        live=source.live,
        sinks=sinks,
        about=about,
    )
    stop = stop or threading.Event()
    bring = _run_live if source.live else _run_all
    try:
        failure = bring(source, monitor, stop)
    except Exception as error:
        monitor.finish(failure=f"{type(error).__name__}: {error}")
        raise
    monitor.finish("interrupted" if stop.is_set() else "end", str(failure) if failure else None)
    return failure


def analyze_file(
    path: str | Path,
    model: Model,
    settings: MonitorSettings | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[Timeline, SourceError | None]:
    """The timeline of a whole file, by the same objects as live, as fast as possible.

    `progress` is called with the share of the sound, from 0 to 1, that has been read. A file that
    turns out to be damaged gives the timeline up to there, and the error.
    """
    timeline = Timeline()
    source = FileSource(path)
    sinks: list[Sink] = [timeline.add]
    if progress and (length := source.duration_s):
        sinks.append(lambda e: progress(min(1.0, e.end_ms / 1000 / length)))
    failure = run(source, model, settings or MonitorSettings(), sinks)
    return timeline, failure


def _run_all(source: Source, monitor: Monitor, stop: threading.Event) -> SourceError | None:
    """One thread: each block is read before the next is fetched, so nothing is ever late."""
    try:
        for block in source.blocks():
            if stop.is_set():
                break
            if monitor.push(block):
                monitor.process()
    except SourceError as error:
        return error
    return None


def _run_live(source: Source, monitor: Monitor, stop: threading.Event) -> SourceError | None:
    """Two threads, so that sound is taken from the source whatever reading does."""
    news, taken, over = threading.Event(), threading.Event(), threading.Event()
    failures: list[Exception] = []

    def bring() -> None:
        try:
            for block in source.blocks():
                if monitor.push(block):
                    taken.clear()
                    news.set()
                    if block.pace > 1:  # a file can wait, and must not outrun the reader
                        taken.wait(1.0)
                if stop.is_set():
                    break
        except Exception as error:
            failures.append(error)
        finally:
            over.set()
            news.set()

    bringer = threading.Thread(target=bring, name="livemood-source", daemon=True)
    bringer.start()
    try:
        while not over.is_set():
            news.wait(0.2)
            news.clear()
            taken.set()
            if stop.is_set():
                break
            monitor.process()
    finally:
        source.stop()
        bringer.join(5.0)
    monitor.process()
    for failure in failures:
        if not isinstance(failure, SourceError):
            raise failure
        return failure
    return None
