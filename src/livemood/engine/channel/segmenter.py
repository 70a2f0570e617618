"""The reader's side of one channel: from the ring to speech, gaps and windows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from livemood.audio import FirstStep, LevelPiece, Overrun, Samples, Span
from livemood.audio.level import PIECE_S
from livemood.engine.channel.intake import Intake, LostSound
from livemood.engine.channel.voice_tracker import VoiceTracker
from livemood.engine.inference import Request, WindowReader
from livemood.engine.settings import MonitorSettings
from livemood.model import Baseline, Reading
from livemood.speech import (
    LevelChange,
    LevelJudge,
    SpeechEnded,
    SpeechGate,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    VoiceActivityDetector,
    Windower,
)
from livemood.speech.evidence import SpeechEvidence
from livemood.speech.gate import GateEvent
from livemood.timeline.voice import Voice


@dataclass(frozen=True, slots=True)
class WindowReady:
    """All sound of a window is in the ring."""

    span: Span
    speech: float
    """Mean probability of speech of its frames, from where the speech begins."""


@dataclass(frozen=True, slots=True)
class GateOpened:
    """Somebody speaks."""

    start: int
    """First sample of the speech."""
    known: int
    """The sample up to which the gate had listened when it opened."""


@dataclass(frozen=True, slots=True)
class LevelChanged:
    """What is wrong with the sound changed at `at`."""

    at: int
    change: LevelChange


StreamItem = GateOpened | SpeechEnded | LostSound | WindowReady | LevelChanged


class SpeechSegmenter:
    """Gate and windows of one channel, all positions absolute samples at the model's rate."""

    AT_ONCE = 16000
    """Most samples listened to in one go, so that memory is bounded however much has come."""

    QUIET_S = 0.2
    """Sound heard in one go while nobody speaks, unless there is patience."""

    def __init__(
        self,
        intake: Intake,
        model: WindowReader,
        detector: VoiceActivityDetector,
        settings: MonitorSettings,
        baseline: Baseline | None = None,
    ) -> None:
        self._intake, self._ring = intake, intake.ring
        self._model = model
        self._rate = model.sample_rate
        self._detector = detector
        # Some keep what they know of the level when they begin afresh.
        self._refresh: Callable[[], None] = getattr(detector, "refresh", detector.reset)
        self._gate = SpeechGate(settings.gate, self._detector.frame_length, self._rate)
        self.windower = Windower(settings.window, self._rate)
        # A window is complete when up to `AT_ONCE` more has been heard.
        remembered = round(settings.window.length_s * self._rate) + 2 * self.AT_ONCE
        self._evidence = SpeechEvidence(self._detector.frame_length, remembered)
        self._concealed = round(settings.longest_concealed_gap_s * self._rate)
        self._reset_after = round(settings.gate.reset_s * self._rate)
        # The first window of speech comes where it pauses, at the earliest: heard no later than
        # that, it is on time.
        self._longest_quiet_s = settings.gate.start_s + settings.gate.hang_over_s
        self._judge, self._step = LevelJudge(), math.inf
        self._position = 0
        self._next_reset = self._reset_after
        voice = model.baseline(baseline) if settings.baseline else None
        self._state = model.new_state(voice)
        self._voice = VoiceTracker(model.labels, self._ring.read) if settings.baseline else None

    def advance(self, patience_s: float = 0.0) -> list[StreamItem]:
        """Listen to what has been written since: what was found, in the order of time.

        Sound that cannot complete anything yet is left for later, to be heard in one go. So is
        sound that can, if more of it follows within `patience_s`. When sound is heard does not
        change what is found.
        """
        if not self._intake.has_news:
            return []
        self._intake.fetch()
        found = self._advance()
        self._intake.wake_at(self._next_due(patience_s))
        return found

    def pause(self) -> list[StreamItem]:
        """No sound comes for now: listen to all that came, and close the gate where it is."""
        self._intake.fetch()
        found = self._advance()
        if self._gate.is_open:
            self._restart(self._position, found)
        self._intake.wake_at(self._next_due())
        return found

    def finish(self) -> list[StreamItem]:
        """The stream ended: close the gate where it is."""
        found = self._advance()
        self._close(found)
        return found

    def _next_due(self, patience_s: float = 0.0) -> int:
        """How far sound must have come before something can follow from it."""
        frame = self._detector.frame_length
        if not self._gate.is_open:
            quiet = min(self.QUIET_S + patience_s, self._longest_quiet_s)
            return self._position + max(1, round(quiet * self._rate) // frame) * frame
        # A window on the grid, if voice goes on; else a pause or the end of the speech.
        window, pause = self.windower.next_end(self._position), self._gate.next_change
        wanted = window if window <= pause + patience_s * self._rate else pause
        return self._position + max(1, -(-(wanted - self._position) // frame)) * frame

    def _advance(self) -> list[StreamItem]:
        length = self._detector.frame_length
        found: list[StreamItem] = []
        while True:
            end = min(self._ring.end, self._position + self.AT_ONCE)
            self._judge_levels(found)
            for piece in self._intake.measured:
                if self._resolves(piece):  # what follows it is heard otherwise
                    end = min(end, self._frame_end(piece.end))
                    break
            if self._intake.lost:
                hole = self._intake.lost[0].span.start
                if hole < self._position + length:
                    self._lose(self._intake.lost.popleft(), found)
                    continue
                end = min(end, hole)
            frames = (end - self._position) // length
            if frames <= 0:
                return found
            span = Span(self._position, self._position + frames * length)
            try:
                sound = self._ring.read(span)
            except Overrun as overrun:
                self._overrun(overrun.oldest, found)
                continue
            self._listen(sound, found)

    def _frame_end(self, sample: int) -> int:
        """The end of the frame that `sample` lies in, or ends."""
        length = self._detector.frame_length
        return self._position - (self._position - sample) // length * length

    def _resolves(self, piece: LevelPiece | FirstStep) -> bool:
        """Whether it tells more of what the sound comes in: that stays, but may show late."""
        return 0 < piece.step < self._step

    def _judge_levels(self, found: list[StreamItem]) -> None:
        """Judge the pieces that have been heard, by whether somebody spoke when they ended."""
        measured, gate = self._intake.measured, self._gate
        while measured and measured[0].end <= self._position:
            piece = measured.popleft()
            if self._resolves(piece):
                self._step = piece.step
                if resolve := getattr(self._detector, "resolve", None):
                    resolve(self._step)
            if isinstance(piece, FirstStep):
                continue
            speech = gate.is_open and gate.quiet_for < PIECE_S * self._rate
            if change := self._judge.push(piece, speech=speech):
                if gate.is_open:  # windows that end before it come first
                    known = min(gate.speech_known_until, self._frame_end(piece.end))
                    self._windows(self.windower.advance(known), found)
                found.append(LevelChanged(piece.end, change))

    def begin(self, start: int) -> None:
        """Another speech begins at sample `start`: what the model keeps of the last one is void."""
        self._model.forget(self._state)
        if self._voice:
            self._voice.begin(start)

    def voice(self, window: Span, reading: Reading) -> Voice | None:
        """How the voice of a window that was read differs from its usual; None if unknown."""
        if self._voice is None:
            return None
        if not reading.is_speech:
            self._voice.skip(window)
            return None
        return self._voice.take(window, reading.probabilities)

    def request(self, window: Span) -> Request:
        """What the model needs to read `window`.

        Raises `Overrun` if some of its sound has been overwritten.
        """
        return self._model.request(self._state, window, self._ring.read)

    def _listen(self, sound: Samples, found: list[StreamItem]) -> None:
        length = self._detector.frame_length
        at = 0
        while at < len(sound):
            # Up to where the detector may have to begin afresh, and at least one frame.
            fresh = self._gate.earliest_end
            if not self._gate.is_open:
                fresh = min(fresh, self._next_reset)
            piece = max(1, -(-(fresh - self._position) // length)) * length
            self._take(self._detector.probabilities(sound[at : at + piece]), found)
            at += piece
        if self._gate.is_open:
            self._windows(self.windower.advance(self._gate.speech_known_until), found)
            self._next_reset = self._position + self._reset_after

    def _take(self, probabilities: Sequence[float], found: list[StreamItem]) -> None:
        """Take the decisions on frames among which at most the last one calls for a reset."""
        length, gate = self._detector.frame_length, self._gate
        self._evidence.push(probabilities)
        if gate.push_alike(probabilities):
            self._position += len(probabilities) * length
            self._judge_levels(found)
        else:
            for probability in probabilities:
                self._position += length
                for event in gate.push(probability):
                    self._gated(event, found)
                self._judge_levels(found)
        if self._position >= self._next_reset:
            if not gate.is_open:
                self._refresh()
            self._next_reset = self._position + self._reset_after

    def _gated(self, event: GateEvent, found: list[StreamItem]) -> None:
        if isinstance(event, SpeechStarted):
            self.windower.open(event.start)
            found.append(GateOpened(event.start, self._position))
        elif isinstance(event, SpeechPaused):
            self._windows(self.windower.advance(event.end), found)
            self._windows(self.windower.pause(event.end), found)
        elif isinstance(event, SpeechResumed):
            self.windower.resume(event.at)
        else:
            self._ended(event, found)

    def _ended(self, event: SpeechEnded, found: list[StreamItem]) -> None:
        self._refresh()
        self._next_reset = self._position + self._reset_after
        found.append(event)

    def _windows(self, spans: list[Span], found: list[StreamItem]) -> None:
        for span in spans:
            spoken = Span(min(max(span.start, self._gate.speech_start), span.end), span.end)
            found.append(WindowReady(span, self._evidence.share(spoken)))

    def _close(self, found: list[StreamItem], position: int | None = None) -> None:
        """Close the gate; with `position`, nothing before it counts from now on."""
        if self._gate.is_open:
            self._windows(self.windower.pause(self._gate.speech_known_until), found)
        for event in self._gate.close(position):
            if isinstance(event, SpeechEnded):
                self._ended(event, found)

    def _lose(self, lost: LostSound, found: list[StreamItem]) -> None:
        if len(lost.span) > self._concealed:
            self._restart(lost.span.end, found)
        found.append(lost)

    def _overrun(self, oldest: int, found: list[StreamItem]) -> None:
        # A hole that the writer left may begin inside: it has its own cause.
        hole = self._intake.lost[0].span.start if self._intake.lost else oldest
        end = max(self._position, min(oldest, hole))
        lost = LostSound(Span(self._position, end), "overrun")
        self._restart(end if end > self._position else oldest, found)
        found.append(lost)

    def _restart(self, position: int, found: list[StreamItem]) -> None:
        self._close(found, position)
        self._refresh()
        self.windower.restart(position)
        self._evidence.restart(position)
        self._position = position
        self._next_reset = position + self._reset_after
