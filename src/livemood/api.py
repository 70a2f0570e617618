"""The Python API behind `import livemood`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from livemood.engine import (
    AnyModel,
    BackgroundSession,
    MonitorSettings,
    WordsThread,
    analyze_file,
)
from livemood.engine.extensions import Fusion, Sink, SinkThreads, Source, block_source, open_model
from livemood.errors import UsageError
from livemood.model import Baseline
from livemood.model.network import Provider
from livemood.plugins import make_plugin
from livemood.sources import BlockSource, FileSource, Microphone
from livemood.speech import DetectorFactory
from livemood.timeline.events import AnyEvent
from livemood.timeline.timeline import Timeline


def listen(
    file: str | Path | None = None,
    *,
    device: str | int | None = None,
    source: str | Source | None = None,
    speed: float | None = 1.0,
    sinks: Sequence[str | Sink] = (),
    vad: str | DetectorFactory | None = None,
    model: str | Path | AnyModel = "default",
    provider: Provider = "auto",
    settings: MonitorSettings | None = None,
    baselines: Sequence[Baseline | None] = (),
    fusion: Fusion | None = None,
) -> Iterator[AnyEvent]:
    """Events of a microphone, of `file`, or of `source`, as they happen.

    `device` is the index of a microphone, or a part of its name. `source` is a `Source` of your
    own, or a plug-in's: `NAME` or `NAME:ARGUMENT`. `speed` is that of a file: 1.0 is real time,
    None as fast as possible. Every event also goes to each of `sinks`, in a thread of its own.
    `vad` is the name of a voice activity detector or makes one for each channel. `model` is a
    shipped model, a model's folder, a plug-in's name, or a model of your own. `baselines` are those
    of the voices on the first channels, made by the same model; they grow as those speak. `fusion`
    reads what is said, if it has a recogniser, and joins it with the voice.

    The session ends, with `session.ended` as the last event, when its source does or when the
    iterator is closed. Raises `LivemoodError` at once if there is no such file, device or model,
    and after the last event if the source failed on the way.
    """
    opened = _source(file, device, source, speed)
    loaded = open_model(model, provider) if isinstance(model, str | Path) else model
    chosen, factory = _with_vad(settings, vad)
    threads = SinkThreads(
        [make_plugin("sinks", sink) if isinstance(sink, str) else sink for sink in sinks],
        live=opened.live,
    )
    words = None if fusion is None else WordsThread(fusion)
    session = BackgroundSession(
        opened, loaded, chosen, [threads.put], vad=factory, baselines=baselines, words=words
    )
    return _events(session, threads, words)


def _source(
    file: str | Path | None,
    device: str | int | None,
    source: str | Source | None,
    speed: float | None,
) -> BlockSource:
    if sum(x is not None for x in (file, device, source)) > 1:
        raise UsageError("give one of file, device and source")
    if source is not None:
        made = make_plugin("sources", source) if isinstance(source, str) else source
        return block_source(cast(Source, made))
    return FileSource(file, speed) if file is not None else Microphone(device)


def _with_vad(
    settings: MonitorSettings | None, vad: str | DetectorFactory | None
) -> tuple[MonitorSettings, DetectorFactory | None]:
    chosen = settings or MonitorSettings()
    if isinstance(vad, str):
        return chosen.model_copy(update={"vad": vad}), None
    return chosen, vad


def _events(
    session: BackgroundSession, sinks: SinkThreads, words: WordsThread | None
) -> Iterator[AnyEvent]:
    try:
        yield from session.events()
    finally:
        sinks.close()
        if words is not None:
            words.close()
    if session.failure:
        raise session.failure


def analyze(
    path: str | Path,
    *,
    vad: str | DetectorFactory | None = None,
    model: str | Path | AnyModel = "default",
    provider: Provider = "auto",
    settings: MonitorSettings | None = None,
) -> Timeline:
    """The timeline of a whole file.

    Raises what `listen` raises: a `FileError` if the file cannot be read to its end.
    `livemood.engine.analyze_file` also returns the timeline of a damaged file up to the damage.
    """
    loaded = open_model(model, provider) if isinstance(model, str | Path) else model
    chosen, factory = _with_vad(settings, vad)
    timeline, failure = analyze_file(path, loaded, chosen, vad=factory)
    if failure:
        raise failure
    return timeline
