"""The reader's side of one channel: from the ring to speech, gaps and windows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from livemood.audio import Overrun, Samples, Span
from livemood.engine.intake import Intake, LostSound
from livemood.engine.settings import MonitorSettings
from livemood.model import Model
from livemood.model.features import Frames
from livemood.model.kept import Hop
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

    AT_ONCE = 16000
    """Most samples listened to in one go, so that memory is bounded however much has come."""

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
        self._kept = model.new_kept()
        self._frames = np.empty((0, model.manifest.features.mels), np.float32)
        self._frames_start = 0

    def advance(self) -> Iterator[StreamItem]:
        """Listen to what has been written since; yields what was found, in the order of time."""
        length = self._detector.frame_length
        while True:
            # The end first: the writer announces a hole before it writes what fills it.
            end = min(self._ring.end, self._position + self.AT_ONCE)
            if self._intake.lost:
                hole = self._intake.lost[0].span.start
                if hole < self._position + length:
                    yield from self._lose(self._intake.lost.popleft())
                    continue
                end = min(end, hole)
            frames = (end - self._position) // length
            if frames <= 0:
                return
            span = Span(self._position, self._position + frames * length)
            try:
                sound = self._ring.read(span)
            except Overrun as overrun:
                yield from self._overrun(overrun.oldest)
                continue
            yield from self._listen(sound)

    def finish(self) -> Iterator[StreamItem]:
        """The stream ended: close the gate where it is."""
        yield from self.advance()
        if self._gate.is_open:
            yield from self._windows(self.windower.pause(self._gate.speech_known_until))
        yield from self._closed(self._gate.close())

    def begin(self) -> None:
        """Another speech begins: what the network keeps of the one before does not count."""
        self._kept.forget()

    def hop(self, window: Span) -> Hop:
        """What the network needs to read `window`: the frames of its new steps.

        Each frame is computed once, however many windows hold it. Raises `Overrun` if sound of
        them has been overwritten.
        """
        steps = self._model.steps(window)
        first = self._kept.turn_to(steps.start, steps.end)
        if first == steps.end:
            return Hop(self._kept, self._frames[:0])
        try:
            return Hop(self._kept, self._features(self._model.frames_of(first, steps.end)))
        except Overrun:
            self._kept.forget()
            raise

    def _features(self, wanted: Span) -> Frames:
        have_end = self._frames_start + len(self._frames)
        if not self._frames_start <= wanted.start <= have_end:
            self._frames, self._frames_start = self._frames[:0], wanted.start
            have_end = wanted.start
        kept = self._frames[wanted.start - self._frames_start :]
        if wanted.end > have_end:
            settings = self._model.manifest.features
            start = have_end * settings.hop_length
            count = settings.samples_for(wanted.end - have_end)
            new = self._model.front_end(self._ring.read(Span(start, start + count)))
            kept = np.concatenate((kept, new))
        self._frames, self._frames_start = kept, wanted.start
        return kept

    def _listen(self, sound: Samples) -> Iterator[StreamItem]:
        push, length = self._gate.push, self._detector.frame_length
        for probability in self._detector.listen(sound):
            self._position += length
            for event in push(probability):
                yield from self._gated(event)
            if self._position >= self._next_reset:
                if not self._gate.is_open:
                    self._detector.reset()
                self._next_reset = self._position + self._reset_after
        if self._gate.is_open:
            yield from self._windows(self.windower.advance(self._gate.speech_known_until))
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
                self._next_reset = self._position + self._reset_after
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
