"""The end of a session that was cut off, from the events that were kept of it."""

from collections.abc import Sequence

import numpy as np

from livemood.timeline.events import (
    AnyEvent,
    ChannelSummary,
    Emotion,
    Gap,
    Level,
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
    channels = [
        _summary(n, started.model.labels, [e for e in events if e.channel == n])
        for n in range(started.channels)
    ]
    return SessionEnded(
        session=started.session,
        seq=(events[-1].seq or 0) + 1,
        end_ms=max(summary.duration_ms for summary in channels),
        time=utc_now(),
        reason="interrupted",
        summary=tuple(channels),
    )


def _summary(number: int, labels: Sequence[str], events: Sequence[AnyEvent]) -> ChannelSummary:
    summarizer, level = Summarizer(labels), LevelTimes()
    read_until = end = speech = gaps = windows = superseded = 0
    speaking: int | None = None
    follows = False
    for event in events:
        end = max(end, event.end_ms)
        if isinstance(event, SpeechStarted):
            read_until, follows, speaking = event.start_ms, False, event.start_ms
        elif isinstance(event, SpeechEnded):
            speech, speaking = speech + event.end_ms - event.start_ms, None
        elif isinstance(event, Gap):
            gaps += event.end_ms - event.start_ms
        elif isinstance(event, Level):
            level.push(event.end_ms, event.problems)
        elif isinstance(event, Load):
            superseded = event.superseded
        elif isinstance(event, Emotion):
            windows += 1
            summarizer.push(_stretch(event, min(read_until, event.end_ms), follows))
            read_until, follows = event.end_ms, True
    if speaking is not None:
        speech += max(0, end - speaking)
    return ChannelSummary(
        channel=number,
        duration_ms=end,
        speech_ms=speech,
        gap_ms=gaps,
        windows=windows,
        superseded=superseded,
        level_ms=level.until(end),
        session=summarizer.session(end),
        last_30s=summarizer.recent(end),
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
