"""How each voice of a session sounds now: for lists of sessions. Pure: pushed events."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from livemood.timeline.events import AnyEvent, Emotion, Segment, SpeechEnded, SpeechStarted

RECENT_MS = 4000
BEFORE_MS = 10_000
"""A trend compares the mean of the last `RECENT_MS` with that of `BEFORE_MS` before it."""
FEWEST = 4
CHANGE = 0.08
"""How much a mean probability must change to count. All as the page has it (state.js)."""
PAUSE_MS = 5000
"""The same label before and after a pause no longer than this goes on."""


Trend = Literal["rising", "falling", "steady"]


class Mood(BaseModel):
    """How one voice of a live session sounds."""

    model_config = ConfigDict(frozen=True)

    label: str
    """The newest label; if nobody speaks, the last one that was heard."""
    speaking: bool
    for_ms: int
    """How long the label has been said, short pauses included."""
    valence: float
    """Mean over the last 14 s of readings."""
    trend: Trend | None
    """Whether the label becomes likelier; none in silence or where too little is known."""


@dataclass(slots=True)
class _Voice:
    readings: deque[Emotion] = field(default_factory=deque)
    """Of the last `RECENT_MS + BEFORE_MS`."""
    since_ms: int = 0
    """Where the newest label began."""
    heard_ms: int = 0
    """Where what is known of the newest label ends."""
    speaking: bool = False


class Moods:
    """How each channel sounds. Memory is bounded: fourteen seconds of readings a channel."""

    def __init__(self) -> None:
        self._voices: dict[int, _Voice] = {}

    def push(self, event: AnyEvent) -> None:
        """Take the next event of the session."""
        if event.channel is None:
            return
        voice = self._voices.setdefault(event.channel, _Voice())
        if isinstance(event, SpeechStarted | SpeechEnded):
            voice.speaking = isinstance(event, SpeechStarted)
        elif isinstance(event, Emotion):
            self._read(voice, event)
        elif isinstance(event, Segment):
            voice.heard_ms = max(voice.heard_ms, event.end_ms)

    def _read(self, voice: _Voice, event: Emotion) -> None:
        last = voice.readings[-1] if voice.readings else None
        goes_on = event.start_ms - voice.heard_ms <= PAUSE_MS
        if last is None or last.label != event.label or not goes_on:
            # A new label begins with what the one before has not had.
            began = event.start_ms if last is None or not goes_on else voice.heard_ms
            voice.since_ms = began
        voice.heard_ms = event.end_ms
        voice.readings.append(event)
        while event.end_ms - voice.readings[0].end_ms > RECENT_MS + BEFORE_MS:
            voice.readings.popleft()

    def now(self, channels: int) -> tuple[Mood | None, ...]:
        """For each of so many channels how it sounds; None where nothing was read."""
        voices = [self._voices.get(n) for n in range(channels)]
        return tuple(_mood(voice) if voice and voice.readings else None for voice in voices)


def _mood(voice: _Voice) -> Mood:
    readings = list(voice.readings)
    last = readings[-1]
    return Mood(
        label=last.label,
        speaking=voice.speaking,
        for_ms=max(0, last.end_ms - voice.since_ms),
        valence=round(_mean(reading.valence for reading in readings), 3),
        trend=_trend(readings, last) if voice.speaking else None,
    )


def _trend(readings: list[Emotion], last: Emotion) -> Trend | None:
    if last.label not in last.probabilities:
        return None
    parts: tuple[list[float], list[float]] = ([], [])
    for reading in readings:
        recent = last.end_ms - reading.end_ms <= RECENT_MS
        parts[0 if recent else 1].append(reading.probabilities.get(last.label, 0.0))
    if min(map(len, parts)) < FEWEST:
        return None
    change = _mean(parts[0]) - _mean(parts[1])
    if abs(change) < CHANGE:
        return "steady"
    return "rising" if change > 0 else "falling"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
