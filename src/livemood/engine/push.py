"""A session that you push sound into."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from livemood.audio import AudioBlock, Samples, to_samples
from livemood.engine.event_queue import EventQueue
from livemood.engine.extensions import AnyModel, Fusion, Sink, SinkThreads, check_format
from livemood.engine.hub import HubSession
from livemood.engine.session import About, SessionCore
from livemood.engine.settings import MonitorSettings
from livemood.engine.shared import share_model
from livemood.engine.words import Stretch, WordsThread
from livemood.errors import UsageError
from livemood.model import Baseline
from livemood.speech import DetectorFactory
from livemood.timeline.events import AnyEvent

OnEvent = Callable[[AnyEvent], object]


class Session:
    """One conversation whose sound you have: push blocks, get events.

        session = livemood.Session(rate=16000)
        for block in blocks:
            for event in session.push(block):
                print(event)
        for event in session.finish():
            print(event)

    That reads in your thread: `push` returns once everything that follows from the block is known.
    Where nothing may wait (an audio callback, an event loop), let a thread of livemood read, and
    take the events by a callback or by iterating:

        session = livemood.Session(rate=16000, on_event=print)

        session = livemood.Session(rate=16000, background=True)
        async for event in session: ...      # or: for event in session, in another thread

    Then `push` and `finish` return no events, and `push` never waits: sound that outruns the reader
    by more than `settings.buffer_s` is lost, which a `gap` event says. All sessions of one model
    share one such thread, which reads their windows as batches.

    One thread at a time may push. Times of events count from the first sample pushed.
    """

    PIECE_S = 0.02
    """A longer block is read in pieces, so that results do not depend on the sizes of blocks."""

    def __init__(
        self,
        *,
        rate: int,
        channels: int = 1,
        participants: Sequence[str] = (),
        model: str | Path | AnyModel = "default",
        provider: str = "auto",
        settings: MonitorSettings | None = None,
        vad: str | DetectorFactory | None = None,
        baselines: Sequence[Baseline | None] = (),
        fusion: Fusion | None = None,
        sinks: Sequence[Sink] = (),
        on_event: OnEvent | None = None,
        background: bool = False,
        live: bool = True,
        name: str = "push",
        purpose: str | None = None,
        consent: str | None = None,
    ) -> None:
        """A new session. Loading a model by name takes a moment the first time.

        `rate` is in Hz, 4000 to 192000. `participants` names who speaks on each channel. `vad` is
        the name of a voice activity detector or makes one for each channel. `baselines` are those
        of the voices on the first channels, made by the same model; they grow as those speak.
        `fusion` reads words and joins them with the voice: see `livemood.LateFusion`.
        `live` says that sound comes at the pace of time: the latency budget holds. With
        `live=False` every window is read, however long that takes. `name` is what events call the
        source; `purpose` and `consent` are passed on in `session.started`.

        Raises `UsageError` for what cannot be, `ModelError` for a model that cannot be used, and
        `Busy` if background sessions take all the time that the machine has.
        """
        check_format(rate, channels)
        if participants and len(participants) != channels:
            raise UsageError(f"{len(participants)} participants were named for {channels} channels")
        self._in_background = background or on_event is not None
        if self._in_background and not live:
            raise UsageError("live=False reads in your thread: leave out background and on_event")
        self._rate, self._channels, self._at = rate, channels, 0
        self._piece = max(1, round(self.PIECE_S * rate))
        self._finished = False
        self._events: list[AnyEvent] = []
        self._queue = EventQueue(live=live) if background else None
        chosen = settings or MonitorSettings()
        if isinstance(vad, str):
            chosen, vad = chosen.model_copy(update={"vad": vad}), None
        self._shared = share_model(model, provider)
        self._sinks = SinkThreads(sinks if on_event is None else (*sinks, on_event), live=live)
        self._words = None if fusion is None else WordsThread(fusion)
        given: dict[str, Any] = {
            "source": name,
            "sample_rate": rate,
            "channels": channels,
            "sinks": [self._sinks.put, self._queue.put if self._queue else self._collect],
            "about": About(purpose, consent, tuple(participants)),
            "vad": vad,
            "baselines": baselines,
            "words": self._words,
        }
        self._core: SessionCore | HubSession
        try:
            if self._in_background:
                self._core = self._shared.open_session(chosen, given)
            else:
                self._core = SessionCore(self._shared.reader, chosen, live=live, **given)
        except BaseException:
            self._close()
            raise

    @property
    def id(self) -> str:
        """Identifies the session in its events."""
        return self._core.session if isinstance(self._core, SessionCore) else self._core.id

    @property
    def now_ms(self) -> int:
        """How much sound has been pushed."""
        return self._at * 1000 // self._rate

    def push(self, block: NDArray[Any], *, captured_at: float | None = None) -> list[AnyEvent]:
        """Take the next block of sound; the events that follow from it.

        `block` is float32 in [-1, 1] or int16, shape (n,) for one channel or (n, channels), of any
        size; it is copied. `captured_at` is when its last sample was captured, in seconds of
        `time.monotonic()`; now, unless you say. Latency counts from there.

        Raises `UsageError` for other arrays, and once the session is finished.
        """
        self._check_open()
        samples = to_samples(block, self._channels)
        for first in range(0, len(samples), self._piece):
            piece = samples[first : first + self._piece]
            after = (len(samples) - first - len(piece)) / self._rate
            self._take(piece, self._captured(captured_at, after))
        return self._taken()

    def lose(self, seconds: float, cause: str = "source_lost") -> list[AnyEvent]:
        """Say that so much sound was lost, so that the clock stays right; a `gap` event says it."""
        self._check_open()
        if not 0 < seconds < float("inf"):
            raise UsageError(f"seconds of lost sound must be above 0, not {seconds}")
        self._at += round(seconds * self._rate)
        nothing = np.empty((0, self._channels), np.float32)
        self._take(nothing, time.monotonic(), cause)
        return self._taken()

    def mark(self, note: str) -> None:
        """Note something where the sound is now: a `marker` event."""
        self._check_open()
        self._core.mark(note)

    def push_transcript(
        self, text: str, start_ms: int, end_ms: int, channel: int = 0
    ) -> list[AnyEvent]:
        """Take what was said from `start_ms` to `end_ms` of the sound; the events that follow.

        A thread of its own reads it and nothing waits for that: `words` and `fused` events come
        with later ones. With `live=False` it is read at once. Send a sentence once it was spoken,
        as your recogniser settles on it; the voice's readings up to then are joined with it.

        Raises `UsageError` without `fusion`, or for text or times that cannot be.
        """
        self._check_open()
        self._core.push_transcript(text, Stretch(channel, start_ms, end_ms))
        return self._settled()

    def push_observation(
        self,
        source: str,
        labels: str | Mapping[str, float],
        start_ms: int,
        end_ms: int,
        *,
        confidence: float = 1.0,
        channel: int = 0,
    ) -> list[AnyEvent]:
        """Take what another observer says of a stretch of time; the events that follow.

        `source` names it: `camera`, say. `labels` is one label, or the share of each.
        `confidence`, from 0 to 1, is how far it is to be believed. Raises what `push_transcript`
        raises.
        """
        self._check_open()
        shares = {labels: 1.0} if isinstance(labels, str) else labels
        self._core.observe(source, shares, confidence, Stretch(channel, start_ms, end_ms))
        return self._settled()

    def _settled(self) -> list[AnyEvent]:
        if isinstance(self._core, SessionCore):
            self._core.watch()
        return self._taken()

    def finish(self) -> list[AnyEvent]:
        """No more sound comes: the events that are left, `session.ended` last.

        In the background it waits until the last event was handed over and returns none. Only the
        first call counts.
        """
        if self._finished:
            return []
        self._finished = True
        try:
            self._core.finish()
            if isinstance(self._core, HubSession):
                self._shared.close_session(self._core)
        finally:
            if self._queue:
                self._queue.close()
            self._close()
        return self._taken()

    def _close(self) -> None:
        self._sinks.close()
        if self._words is not None:
            self._words.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()

    def __iter__(self) -> Iterator[AnyEvent]:
        """Every event, waiting for each: for `background=True`, where another thread pushes."""
        queue = self._iterated()
        while (event := queue.get()) is not None:
            yield event

    async def __aiter__(self) -> AsyncIterator[AnyEvent]:
        """Every event: for `background=True`. The event loop is never held up."""
        queue = self._iterated()
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        queue.on_change = lambda: loop.call_soon_threadsafe(news.set)
        try:
            while True:
                news.clear()
                try:
                    event = queue.get(timeout=0)
                except TimeoutError:
                    await news.wait()
                    continue
                if event is None:
                    return
                yield event
        finally:
            queue.on_change = None

    def _iterated(self) -> EventQueue:
        if self._queue is None:
            raise UsageError("to iterate over events, make the session with background=True")
        return self._queue

    def _check_open(self) -> None:
        if self._finished:
            raise UsageError("the session is finished: make a new one for more sound")

    def _captured(self, given: float | None, after_s: float) -> float:
        if given is not None:
            return given - after_s
        # In your own thread, a piece is captured when it is its turn: a long block is no backlog.
        return time.monotonic() - (after_s if self._in_background else 0.0)

    def _take(self, samples: Samples, captured: float, cause: str = "source_lost") -> None:
        block = AudioBlock(self._at, samples, captured, cause)
        self._at = block.end
        if self._core.push(block) and isinstance(self._core, SessionCore):
            self._core.process()

    def _collect(self, event: AnyEvent) -> None:
        if not self._in_background:
            self._events.append(event)

    def _taken(self) -> list[AnyEvent]:
        events, self._events = self._events, []
        return events
