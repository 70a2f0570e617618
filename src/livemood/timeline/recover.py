"""The end of a session, from the events that were kept of it."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from livemood.timeline.events import (
    AnyEvent,
    ChannelSummary,
    Emotion,
    Gap,
    Level,
    LevelProblem,
    Load,
    SessionEnded,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
    utc_now,
)
from livemood.timeline.summary import LevelTimes, Stretch, Summarizer


def interrupted_end(events: Sequence[AnyEvent]) -> SessionEnded | None:
    """What `session.ended` would have said of `events`; none if they do not begin a session."""
    started = events[0] if events else None
    if not isinstance(started, SessionStarted):
        return None
    recap = Recap(started)
    for event in events[1:]:
        recap.push(event)
    return recap.end("interrupted")


class Recap:
    """What was heard in a session, event by event, in bounded memory."""

    def __init__(self, started: SessionStarted) -> None:
        self.started = started
        self.seq = started.seq or 0
        """Number of the last event."""
        self.end_ms = started.end_ms
        """How far its events reach."""
        self.channels = [_Channel(n, started.model.labels) for n in range(started.channels)]

    def push(self, event: AnyEvent) -> None:
        """Take the next event."""
        self.seq = event.seq or self.seq
        self.end_ms = max(self.end_ms, event.end_ms)
        if event.channel is not None and event.channel < len(self.channels):
            self.channels[event.channel].push(event)

    def end(self, reason: Literal["end", "interrupted", "error"], end_ms: int = 0) -> SessionEnded:
        """The event that ends it here, or at `end_ms` if that is later."""
        summary = tuple(channel.summary(end_ms) for channel in self.channels)
        return SessionEnded(
            session=self.started.session,
            seq=self.seq + 1,
            end_ms=max((each.duration_ms for each in summary), default=end_ms),
            time=utc_now(),
            reason=reason,
            summary=summary,
        )


class _Channel:
    """One channel of it."""

    def __init__(self, number: int, labels: Sequence[str]) -> None:
        self._number = number
        self._summarizer, self._level = Summarizer(labels), LevelTimes()
        self._read_until = self._end = self._speech = self._gaps = self._windows = 0
        self._speaking: int | None = None
        self._follows = False
        self.superseded, self.behind = 0, False

    @property
    def problems(self) -> tuple[LevelProblem, ...]:
        """What is wrong with its level now."""
        return self._level.problems

    def push(self, event: AnyEvent) -> None:
        """Take the next event of the channel."""
        self._end = max(self._end, event.end_ms)
        if isinstance(event, SpeechStarted):
            self._read_until, self._follows, self._speaking = event.start_ms, False, event.start_ms
        elif isinstance(event, SpeechEnded):
            self._speech, self._speaking = self._speech + event.end_ms - event.start_ms, None
        elif isinstance(event, Gap):
            self._gaps += event.end_ms - event.start_ms
        elif isinstance(event, Level):
            self._level.push(event.end_ms, event.problems)
        elif isinstance(event, Load):
            self.superseded, self.behind = event.superseded, event.behind
        elif isinstance(event, Emotion):
            self._windows += 1
            start_ms = min(self._read_until, event.end_ms)
            self._summarizer.push(_stretch(event, start_ms, self._follows))
            self._read_until, self._follows = event.end_ms, True

    def summary(self, end_ms: int) -> ChannelSummary:
        """The channel until its last event, or `end_ms` if that is later."""
        end = max(self._end, end_ms)
        speech = self._speech
        if self._speaking is not None:
            speech += max(0, end - self._speaking)
        return ChannelSummary(
            channel=self._number,
            duration_ms=end,
            speech_ms=speech,
            gap_ms=self._gaps,
            windows=self._windows,
            superseded=self.superseded,
            level_ms=self._level.until(end),
            session=self._summarizer.session(end),
            last_30s=self._summarizer.recent(end),
        )


def _stretch(event: Emotion, start_ms: int, follows: bool) -> Stretch:
    return Stretch(
        start_ms,
        event.end_ms,
        event.label,
        event.confidence,
        np.array(list(event.probabilities.values())),
        event.valence,
        event.arousal,
        follows,
    )
