"""The speech gate: from flickering frame decisions to stretches of speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field, model_validator


class GateSettings(BaseModel):
    """When the gate opens and closes; times in seconds, whatever the detector's frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(default=0.1, ge=0, le=5)
    """Voice that must be heard, with breaks of at most `break_s`, before the gate opens."""
    break_s: float = Field(default=0.05, ge=0, le=5)
    """The longest break between voiced frames that does not start the count anew."""
    stop_s: float = Field(default=0.6, gt=0, le=10)
    """Quiet that must last before the gate closes."""
    pre_roll_s: float = Field(default=0.2, ge=0, le=2)
    """Sound before the first voiced frame that still belongs to the speech."""
    hang_over_s: float = Field(default=0.2, ge=0, le=10)
    """Sound after the last voiced frame that still belongs to it."""
    start_threshold: float = Field(default=0.5, gt=0, le=1)
    """Probability of speech from which a frame counts as voiced while the gate is closed."""
    stop_threshold: float = Field(default=0.35, gt=0, le=1)
    """The same while it is open."""
    reset_s: float = Field(default=30.0, gt=0)
    """Quiet after which the detector starts afresh: its state drifts over hours."""

    @model_validator(mode="after")
    def _check(self) -> "GateSettings":
        if self.hang_over_s > self.stop_s:
            raise ValueError("hang_over_s must not exceed stop_s")
        return self


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The gate opened."""

    start: int
    """First sample of the speech, pre-roll included."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Quiet has outlasted the hang-over: this may have been the end of the speech."""

    end: int
    """The sample after the hang-over."""


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Voice came back before the gate closed."""

    at: int
    """First sample of the voice; sound between the pause and here is known late to be speech."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The gate closed."""

    start: int
    end: int
    """The sample after the hang-over."""


GateEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded


class GateState(Enum):
    """What the gate believes."""

    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"
    STOPPING = "stopping"


_OPEN = (GateState.SPEAKING, GateState.STOPPING)


class SpeechGate:
    """Pushed one frame decision after the other, returns what follows from each.

    A pure object: no sound, detector or clock inside. Positions are absolute samples.
    """

    def __init__(
        self, settings: GateSettings, frame_length: int, sample_rate: int, position: int = 0
    ) -> None:
        def samples(seconds: float) -> int:
            return round(seconds * sample_rate)

        self._start_threshold = settings.start_threshold
        self._stop_threshold = settings.stop_threshold
        self._frame = frame_length
        self._start = samples(settings.start_s)
        self._break = samples(settings.break_s)
        self._stop = samples(settings.stop_s)
        self._pre_roll = samples(settings.pre_roll_s)
        self.hang_over = samples(settings.hang_over_s)
        """Samples after the last voiced frame that still belong to the speech."""
        self.state = GateState.QUIET
        self.position = position
        """The sample after the last frame pushed."""
        self._earliest = position
        self._onset = position
        self._last_voice = position
        self._voiced = 0
        self.speech_start = position
        """First sample of the speech going on, or of the last one."""
        self._paused = False

    @property
    def is_open(self) -> bool:
        """Whether somebody is speaking, as far as the gate knows."""
        return self.state in _OPEN

    @property
    def quiet_for(self) -> int:
        """Samples since the last voiced frame."""
        return self.position - self._last_voice

    @property
    def next_change(self) -> int:
        """While open: the sample at which a pause or the end is known if no voice comes first."""
        return self._last_voice + (self._stop if self._paused else self.hang_over)

    @property
    def earliest_end(self) -> int:
        """The gate does not close before this sample; a closed one has to open first."""
        return (self._last_voice if self.is_open else self.position) + self._stop

    @property
    def speech_known_until(self) -> int:
        """The sample up to which, from `speech_start`, sound is known to belong to speech."""
        return min(self.position, self._last_voice + self.hang_over)

    def push_alike(self, probabilities: Sequence[float]) -> bool:
        """Take decisions on the next frames if nothing follows from any; whether it took them.

        That is so while somebody goes on speaking, and while nobody begins to.
        """
        if self.state is GateState.SPEAKING and not self._paused:
            if min(probabilities) < self._stop_threshold:
                return False
            self.position += len(probabilities) * self._frame
            self._last_voice = self.position
            return True
        if self.state is GateState.QUIET and max(probabilities) < self._start_threshold:
            self.position += len(probabilities) * self._frame
            return True
        return False

    def push(self, probability: float) -> list[GateEvent]:
        """Take the decision on the next frame, a probability of speech in [0, 1]."""
        begin, self.position = self.position, self.position + self._frame
        threshold = self._stop_threshold if self.is_open else self._start_threshold
        return self._voice(begin) if probability >= threshold else self._quiet()

    def close(self, position: int | None = None) -> list[GateEvent]:
        """End the speech where it is: the stream ended, or sound was lost for long.

        With `position`, the next frame will start there; nothing before it counts any more.
        """
        events: list[GateEvent] = []
        if self.is_open:
            events.append(self._ended())
        self.state = GateState.QUIET
        self._paused = False
        if position is not None:
            self.position = self._earliest = self._last_voice = position
        return events

    def _voice(self, begin: int) -> list[GateEvent]:
        self._last_voice = self.position
        resumed, self._paused = self._paused, False
        if self.state is GateState.QUIET:
            self.state, self._onset, self._voiced = GateState.STARTING, begin, 0
        elif self.state is GateState.STOPPING:
            self.state = GateState.SPEAKING
        self._voiced += self._frame
        if self.state is GateState.STARTING and self._voiced >= self._start:
            self.state = GateState.SPEAKING
            self.speech_start = max(self._earliest, self._onset - self._pre_roll)
            return [SpeechStarted(self.speech_start)]
        return [SpeechResumed(begin)] if resumed and self.is_open else []

    def _quiet(self) -> list[GateEvent]:
        if self.state is GateState.STARTING and self.quiet_for > self._break:
            self.state = GateState.QUIET
        if not self.is_open:
            return []
        self.state = GateState.STOPPING
        events: list[GateEvent] = []
        if not self._paused and self.quiet_for >= self.hang_over:
            self._paused = True
            events.append(SpeechPaused(self.speech_known_until))
        if self.quiet_for >= self._stop:
            self.state = GateState.QUIET
            self._paused = False
            events.append(self._ended())
        return events

    def _ended(self) -> SpeechEnded:
        end = self.speech_known_until
        self._earliest = end
        return SpeechEnded(self.speech_start, end)
