"""The reader's side of one channel: from the ring to speech, gaps and windows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from livemood.audio import Overrun, Span
from livemood.engine.intake import Intake, LostSound
from livemood.engine.settings import MonitorSettings
from livemood.model import Model
from livemood.model.features import Frames
from livemood.speech import (
    SpeechEnded,
    SpeechGate,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Windower,
    open_detector,
)
from livemood.speech.gate import GateEvent


@dataclass(frozen=True, slots=True)
class WindowReady:
    """All sound of a window is in the ring."""

    span: Span


@dataclass(frozen=True, slots=True)
class GateOpened:
    """Somebody speaks."""

    start: int
    """First sample of the speech."""
    known: int
    """The sample up to which the gate had listened when it opened."""


StreamItem = GateOpened | SpeechEnded | LostSound | WindowReady


class Stream:
    """Gate and windows of one channel, all positions absolute samples at the model's rate."""

    def __init__(self, intake: Intake, model: Model, settings: MonitorSettings) -> None:
        self._intake, self._ring = intake, intake.ring
        self._model = model
        self._rate = model.manifest.features.sample_rate
        self._detector = open_detector(settings.vad)
        self._gate = SpeechGate(settings.gate, self._detector.frame_length, self._rate)
        self.windower = Windower(settings.window, self._rate)
        self._concealed = round(settings.longest_concealed_gap_s * self._rate)
        self._reset_after = round(settings.gate.reset_s * self._rate)
        self._position = 0
        self._next_reset = self._reset_after
        self._frames = np.empty((0, model.manifest.features.mels), np.float32)
        self._frames_start = 0

    def advance(self) -> Iterator[StreamItem]:
        """Listen to what has been written since; yields what was found, in the order of time."""
        length = self._detector.frame_length
        while True:
            if self._intake.lost and self._intake.lost[0].span.start < self._position + length:
                yield from self._lose(self._intake.lost.popleft())
                continue
            if self._position + length > self._ring.end:
                return
            try:
                frame = self._ring.read(Span(self._position, self._position + length))
            except Overrun as overrun:
                yield from self._overrun(overrun.oldest)
                continue
            yield from self._listen(self._detector(frame), length)

    def finish(self) -> Iterator[StreamItem]:
        """The stream ended: close the gate where it is."""
        yield from self.advance()
        if self._gate.is_open:
            yield from self._windows(self.windower.pause(self._gate.speech_known_until))
        yield from self._closed(self._gate.close())

    def features(self, window: Span) -> Frames:
        """The features of `window`, each frame computed once however many windows hold it.

        Raises `Overrun` if its sound has been overwritten.
        """
        wanted = self._model.frame_span(window)
        have_end = self._frames_start + len(self._frames)
        if not self._frames_start <= wanted.start <= have_end:
            self._frames, self._frames_start = self._frames[:0], wanted.start
            have_end = wanted.start
        if wanted.end > have_end:
            settings = self._model.manifest.features
            start = have_end * settings.hop_length
            count = settings.samples_for(wanted.end - have_end)
            new = self._model.front_end(self._ring.read(Span(start, start + count)))
            kept = self._frames[wanted.start - self._frames_start :]
            self._frames, self._frames_start = np.concatenate((kept, new)), wanted.start
        first = wanted.start - self._frames_start
        return self._frames[first : first + len(wanted)]

    def _listen(self, probability: float, length: int) -> Iterator[StreamItem]:
        self._position += length
        for event in self._gate.push(probability):
            yield from self._gated(event)
        if self._gate.is_open:
            yield from self._windows(self.windower.advance(self._gate.speech_known_until))
            self._next_reset = self._position + self._reset_after
        elif self._position >= self._next_reset:
            self._detector.reset()
            self._next_reset = self._position + self._reset_after

    def _gated(self, event: GateEvent) -> Iterator[StreamItem]:
        if isinstance(event, SpeechStarted):
            self.windower.open(event.start)
            yield GateOpened(event.start, self._position)
        elif isinstance(event, SpeechPaused):
            yield from self._windows(self.windower.advance(event.end))
            yield from self._windows(self.windower.pause(event.end))
        elif isinstance(event, SpeechResumed):
            self.windower.resume(event.at)
        else:
            yield from self._closed([event])

    def _closed(self, events: list[GateEvent]) -> Iterator[StreamItem]:
        for event in events:
            if isinstance(event, SpeechEnded):
                self._detector.reset()
                yield event

    def _windows(self, spans: list[Span]) -> Iterator[StreamItem]:
        for span in spans:
            yield WindowReady(span)

    def _lose(self, lost: LostSound) -> Iterator[StreamItem]:
        if len(lost.span) > self._concealed:
            yield from self._restart(lost.span.end)
        yield lost

    def _overrun(self, oldest: int) -> Iterator[StreamItem]:
        # A hole that the writer left may begin inside: it has its own cause.
        hole = self._intake.lost[0].span.start if self._intake.lost else oldest
        end = max(self._position, min(oldest, hole))
        lost = LostSound(Span(self._position, end), "overrun")
        yield from self._restart(end if end > self._position else oldest)
        yield lost

    def _restart(self, position: int) -> Iterator[StreamItem]:
        if self._gate.is_open:
            yield from self._windows(self.windower.pause(self._gate.speech_known_until))
        yield from self._closed(self._gate.close(position))
        self._detector.reset()
        self.windower.restart(position)
        self._position = position
        self._next_reset = position + self._reset_after
