"""The threads of one session: one brings the sound, one reads it, the caller takes the events."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from livemood.audio import AudioBlock
from livemood.engine.event_queue import EventQueue
from livemood.engine.extensions import AnyModel, reader_of
from livemood.engine.session import About, SessionCore, Sink, check_baselines, describe
from livemood.engine.settings import MonitorSettings
from livemood.engine.words import WordsThread
from livemood.errors import SourceError
from livemood.model import Baseline
from livemood.sources import BlockSource, FileSource
from livemood.speech import DetectorFactory
from livemood.timeline.events import AnyEvent
from livemood.timeline.timeline import Timeline


def run(
    source: BlockSource,
    model: AnyModel,
    settings: MonitorSettings,
    sinks: Sequence[Sink],
    stop: threading.Event | None = None,
    about: About | None = None,
    vad: DetectorFactory | None = None,
    baselines: Sequence[Baseline | None] = (),
    session: str | None = None,
    words: WordsThread | None = None,
) -> SourceError | None:
    """Listen to `source` to its end, or until `stop` is set.

    A source that fails ends the session with an `error` event after everything heard before has
    been read; the error is returned, so that a caller can say so. `session` names the session;
    by default it is given a name. `words` reads what is said.
    """
    core = _core(source, model, settings, sinks, about, vad, baselines, session, words)
    return _drive(core, source, stop or threading.Event())


def _core(
    source: BlockSource,
    model: AnyModel,
    settings: MonitorSettings,
    sinks: Sequence[Sink],
    about: About | None,
    vad: DetectorFactory | None,
    baselines: Sequence[Baseline | None],
    session: str | None = None,
    words: WordsThread | None = None,
) -> SessionCore:
    return SessionCore(
        model,
        settings,
        source=source.name,
        sample_rate=source.sample_rate,
        channels=source.channels,
        live=source.live,
        sinks=sinks,
        about=about,
        vad=vad,
        baselines=baselines,
        session=session,
        words=words,
    )


def _drive(core: SessionCore, source: BlockSource, stop: threading.Event) -> SourceError | None:
    bring = _run_live if source.live else _run_all
    try:
        failure = bring(source, core, stop)
    except Exception as error:
        core.finish(failure=describe(error))
        raise
    core.finish("interrupted" if stop.is_set() else "end", str(failure) if failure else None)
    return failure


def analyze_file(
    path: str | Path | BlockSource,
    model: AnyModel,
    settings: MonitorSettings | None = None,
    progress: Callable[[float], None] | None = None,
    vad: DetectorFactory | None = None,
    about: About | None = None,
) -> tuple[Timeline, SourceError | None]:
    """The timeline of a whole file, by the same objects as live, as fast as possible.

    `path` may also be a source that is open and not live.

    `progress` is called with the share of the sound, from 0 to 1, that has been read. A file that
    turns out to be damaged gives the timeline up to there, and the error.
    """
    timeline = Timeline()
    source: BlockSource = FileSource(path) if isinstance(path, str | Path) else path
    if progress and (length := getattr(source, "duration_s", None)):
        source = _Watched(source, length, progress)
    chosen = settings or MonitorSettings()
    failure = run(source, model, chosen, [timeline.add], about=about, vad=vad)
    return timeline, failure


class _Watched:
    """A source, and how far it has been read."""

    def __init__(
        self, source: BlockSource, length_s: float, progress: Callable[[float], None]
    ) -> None:
        self._source, self._length_s, self._progress = source, length_s, progress
        self.name, self.live = source.name, source.live
        self.sample_rate, self.channels = source.sample_rate, source.channels

    def blocks(self) -> Iterator[AudioBlock]:
        for block in self._source.blocks():
            yield block
            self._progress(min(1.0, block.end / self.sample_rate / self._length_s))

    def stop(self) -> None:
        self._source.stop()


class BackgroundSession:
    """Runs one session while the caller iterates over its events. Used once."""

    def __init__(
        self,
        source: BlockSource,
        model: AnyModel,
        settings: MonitorSettings,
        sinks: Sequence[Sink] = (),
        about: About | None = None,
        vad: DetectorFactory | None = None,
        baselines: Sequence[Baseline | None] = (),
        words: WordsThread | None = None,
    ) -> None:
        settings.for_model(reader_of(model))  # refused here, not in the thread
        check_baselines(baselines, source.channels, wanted=settings.baseline)
        self._events = EventQueue(live=source.live)
        self._stop = threading.Event()
        self.stopping = False
        """Whether the session was asked to end."""
        self.failure: Exception | None = None
        """Why the source, or the program, failed; known once all events have been taken."""
        self._core: SessionCore | None = None
        every = (*sinks, self._events.put)
        self._thread = threading.Thread(
            target=self._work,
            args=(source, model, settings, every, about, vad, baselines, words),
            name="livemood",
            daemon=True,
        )

    @property
    def now_ms(self) -> int:
        """How much sound has come, whether anybody spoke in it or not."""
        return self._core.now_ms if self._core else 0

    def stop(self) -> None:
        """End the session in order: what is open closes, and its last events still come."""
        self.stopping = True
        self._stop.set()

    def events(self) -> Generator[AnyEvent, None, None]:
        """Every event; closing the generator ends the session."""
        self._thread.start()
        try:
            while True:
                try:
                    # A timeout, because a wait without one cannot be interrupted everywhere.
                    event = self._events.get(timeout=0.5)
                except TimeoutError:
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._stop.set()
            self._events.close()
            self._thread.join(5.0)  # no longer: a driver may hang

    def _work(
        self,
        source: BlockSource,
        model: AnyModel,
        settings: MonitorSettings,
        sinks: Sequence[Sink],
        about: About | None,
        vad: DetectorFactory | None,
        baselines: Sequence[Baseline | None],
        words: WordsThread | None,
    ) -> None:
        try:
            self._core = _core(source, model, settings, sinks, about, vad, baselines, words=words)
            self.failure = _drive(self._core, source, self._stop)
        except Exception as error:
            self.failure = error
        finally:
            self._events.close()


def _run_all(source: BlockSource, core: SessionCore, stop: threading.Event) -> SourceError | None:
    """One thread: each block is read before the next is fetched, so nothing is ever late."""
    try:
        for block in source.blocks():
            if stop.is_set():
                break
            if core.push(block):
                core.process()
    except SourceError as error:
        return error
    return None


def _run_live(source: BlockSource, core: SessionCore, stop: threading.Event) -> SourceError | None:
    """Two threads, so that sound is taken from the source whatever reading does."""
    news, taken, over = threading.Event(), threading.Event(), threading.Event()
    failures: list[Exception] = []

    def bring() -> None:
        try:
            for block in source.blocks():
                if core.push(block):
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
            core.process()
    finally:
        source.stop()
        bringer.join(5.0)
    core.process()
    for failure in failures:
        if not isinstance(failure, SourceError):
            raise failure
        return failure
    return None
