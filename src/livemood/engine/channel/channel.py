"""One channel of a session: windows in, events out."""

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from livemood.audio import Overrun, Span
from livemood.engine.channel.intake import Intake, LostSound
from livemood.engine.channel.latency_budget import LatencyBudget, LoadChange
from livemood.engine.channel.segmenter import (
    GateOpened,
    LevelChanged,
    SpeechSegmenter,
    StreamItem,
    WindowReady,
)
from livemood.engine.inference import Request, WindowReader
from livemood.engine.settings import MonitorSettings
from livemood.model import Baseline, Reading
from livemood.speech import SpeechEnded, VoiceActivityDetector
from livemood.timeline.events import (
    ChannelSummary,
    Emotion,
    Event,
    Gap,
    Latency,
    Level,
    Load,
    Segment,
    SpeechStarted,
)
from livemood.timeline.events import SpeechEnded as SpeechEndedEvent
from livemood.timeline.smoother import DimensionSmoother, SmoothedReading, Smoother
from livemood.timeline.summary import ClosedSegment, LevelTimes, Segmenter, Stretch, Summarizer

Inference = Generator[Request, Reading, None]
"""Yields windows to be read and is sent how each sounds."""

Emit = Callable[[type[Event], dict[str, Any]], object]
"""Called with an event class and its fields, less those that the session fills in."""


class Channel:
    """Gate, windows, smoothing and summary of one channel.

    `take` belongs to the thread that has the sound; everything else to the one that reads it.
    """

    def __init__(
        self,
        number: int,
        source_rate: int,
        model: WindowReader,
        detector: VoiceActivityDetector,
        settings: MonitorSettings,
        *,
        live: bool,
        emit: Emit,
        baseline: Baseline | None = None,
        ignored: bool = False,
    ) -> None:
        self._number = number
        self._model = model
        self._settings = settings
        self._rate = model.sample_rate
        self._emit_event = emit
        buffer_s = settings.buffer_s + settings.window.length_s
        self._intake = Intake(source_rate, self._rate, buffer_s, number, ignored=ignored)
        self.take = self._intake.push
        """Take the channel's part of a block, never waiting; whether it is time to listen."""
        self._speech_segmenter = SpeechSegmenter(self._intake, model, detector, settings, baseline)
        self._budget = LatencyBudget(settings.budget_s) if live else None
        even = np.full(len(model.labels), 1 / len(model.labels))
        self._unread = Reading(even, is_speech=False)
        self._smoother = Smoother(model.labels, model.priors, settings.smoother)
        self._dimensions = DimensionSmoother(settings.smoother)
        self._segmenter = Segmenter()
        self._summarizer = Summarizer(model.labels)
        self._level = LevelTimes()
        self._read_until = self._last_window = 0
        self._continues = False
        self._speech_samples = self._lost_samples = 0
        self.windows = 0
        """Windows read."""

    @property
    def superseded(self) -> int:
        """Windows given up because the machine was behind."""
        return self._budget.superseded if self._budget else 0

    @property
    def behind(self) -> bool:
        """Whether the latency budget is being missed."""
        return bool(self._budget and self._budget.behind)

    @property
    def arrived_ms(self) -> int:
        """How much sound has been taken."""
        return self._intake.arrived_ms

    def flush(self) -> None:
        """No more sound will come."""
        self._intake.flush()

    def listen(self, patience_s: float = 0.0) -> list[StreamItem]:
        """Listen to what has come in: what was found, to be read by `read` before the next call.

        What comes next may wait for `patience_s`, if more can be heard with it then.
        """
        return self._speech_segmenter.advance(patience_s)

    def pause(self) -> list[StreamItem]:
        """The same where no sound comes for now: open speech is closed, and more may follow."""
        return self._speech_segmenter.pause()

    def close(self) -> list[StreamItem]:
        """The same at the end of the sound: what is open is closed."""
        return self._speech_segmenter.finish()

    def read(self, items: list[StreamItem]) -> Inference:
        """Emit what follows from `items`.

        A generator: it yields each window to be read and is sent its reading, so that
        whoever drives many channels can read their windows as one batch.
        """
        windows = [item for item in items if isinstance(item, WindowReady)]
        dropped = 0
        if self._budget and len(windows) > 1:
            captured = [self._intake.captured_at(w.span.end) for w in windows]
            dropped = self._budget.give_up(captured, time.monotonic())
        superseded = {id(window) for window in windows[:dropped]}
        for item in items:
            if id(item) not in superseded:
                yield from self._item(item, dropped)
                dropped = 0 if isinstance(item, WindowReady) else dropped

    def summary(self) -> ChannelSummary:
        """The channel's summary, once it is closed."""
        end = self._ms(self._intake.ring.end)
        return ChannelSummary(
            channel=self._number,
            duration_ms=end,
            speech_ms=self._ms(self._speech_samples),
            gap_ms=self._ms(self._lost_samples),
            windows=self.windows,
            superseded=self.superseded,
            level_ms=self._level.until(end),
            session=self._summarizer.session(end),
            last_30s=self._summarizer.recent(end),
        )

    def _item(self, item: StreamItem, given_up: int = 0) -> Inference:
        if isinstance(item, WindowReady):
            yield from self._window(item, given_up)
        elif isinstance(item, GateOpened):
            self._read_until = item.start
            self._continues = False
            self._speech_segmenter.begin(item.start)
            self._emit(SpeechStarted, Span(item.start, item.known))
        elif isinstance(item, SpeechEnded):
            self._speech_samples += item.end - item.start
            self._close_segment()
            self._emit(SpeechEndedEvent, Span(item.start, item.end))
        elif isinstance(item, LevelChanged):
            self._change_level(item)
        else:
            self._lose(item)

    def _change_level(self, item: LevelChanged) -> None:
        change = item.change
        self._level.push(self._ms(item.at), change.problems)
        self._emit(
            Level,
            Span(item.at, item.at),
            problems=change.problems,
            speech_db=change.speech_db,
            noise_db=change.noise_db,
            peak_db=change.peak_db,
        )

    def _lose(self, lost: LostSound) -> None:
        self._lost_samples += len(lost.span)
        self._emit(Gap, lost.span, cause=lost.cause, samples=len(lost.span))

    def _window(self, ready: WindowReady, given_up: int) -> Inference:
        began = time.monotonic()
        known = ready.span.end
        window = self._model.window_of(ready.span)
        if window.end <= max(self._last_window, window.start):  # nothing new is read of it
            return
        raw = self._unread
        if ready.speech >= self._settings.window.least_speech:
            try:
                request = self._speech_segmenter.request(window)
            except Overrun:  # the reader was held up for longer than the ring lasts
                if self._budget:
                    self._budget.superseded += 1
                return
            raw = yield request
        since = (window.end - self._last_window) / self._rate
        new = (window.end - max(self._read_until, window.start)) / self._rate
        reading = (
            self._smoother.update(raw.probabilities, since, new)
            if raw.is_speech
            else self._smoother.abstain(since)
        )
        told = raw.dimensions if raw.is_speech else ()
        rated = self._dimensions.update(told, since, new)
        done = time.monotonic()
        # The sound that a network in blocks leaves out for now is no delay of the machine's.
        captured = self._intake.captured_at(known)
        latency = Latency(
            total=round(1000 * (done - captured), 3),
            queue=round(1000 * (began - captured), 3),
            compute=round(1000 * (done - began), 3),
        )
        change = None
        if self._budget:
            change = self._budget.read(done - captured, done - began, given_up)
            self._speech_segmenter.windower.stretch = self._budget.stretch
        self.windows += 1
        self._read(window, raw, reading, rated, latency)
        if change:
            self._changed_load(window, change)

    def _read(
        self,
        window: Span,
        raw: Reading,
        reading: SmoothedReading,
        rated: tuple[float, ...],
        latency: Latency,
    ) -> None:
        both = np.array((reading.probabilities, raw.probabilities))
        smoothed, unsmoothed = both.round(4).tolist()
        affect = rated or self._model.affect(reading.probabilities.tolist())
        valence, arousal, *dominance = (round(value, 4) for value in affect)
        stretch = Stretch(
            self._ms(self._read_until),
            self._ms(window.end),
            reading.label,
            reading.confidence,
            reading.probabilities,
            valence,
            arousal,
            self._continues,
        )
        self._close(self._segmenter.push(stretch))
        self._summarizer.push(stretch)
        self._read_until = self._last_window = window.end
        self._continues = True
        self._emit(
            Emotion,
            window,
            label=reading.label,
            confidence=round(reading.confidence, 4),
            probabilities=dict(zip(self._model.labels, smoothed, strict=True)),
            raw_probabilities=dict(zip(self._model.labels, unsmoothed, strict=True)),
            valence=valence,
            arousal=arousal,
            dominance=dominance[0] if dominance else None,
            raw_dimensions=tuple(round(value, 4) for value in raw.dimensions) or None,
            latency_ms=latency,
            behind=self.behind,
            baseline_s=None if raw.baseline_s is None else round(raw.baseline_s, 1),
            voice=self._speech_segmenter.voice(window, raw),
            not_speech=None if raw.not_speech is None else round(raw.not_speech, 4),
            unread=True if raw is self._unread else None,
            level=self._level.problems or None,
        )

    def _changed_load(self, window: Span, change: LoadChange) -> None:
        hop = self._settings.window.hop_s * self._speech_segmenter.windower.stretch
        self._emit(
            Load,
            window,
            behind=change.behind,
            latency_ms=round(1000 * change.latency_s, 3),
            superseded=self.superseded,
            hop_ms=round(1000 * hop),
        )

    def _close_segment(self) -> None:
        self._close(self._segmenter.close())

    def _close(self, segment: ClosedSegment | None) -> None:
        if segment:
            fields = {
                "label": segment.label,
                "confidence": segment.confidence,
                "valence": segment.valence,
                "arousal": segment.arousal,
                "start_ms": segment.start_ms,
                "end_ms": segment.end_ms,
            }
            self._emit_event(Segment, {"channel": self._number, **fields})

    def _emit(self, event: type[Event], span: Span, **fields: Any) -> None:  # noqa: ANN401
        where = {"start_ms": self._ms(span.start), "end_ms": self._ms(span.end)}
        self._emit_event(event, {"channel": self._number, **where, **fields})

    def _ms(self, samples: int) -> int:
        return round(1000 * samples / self._rate)
