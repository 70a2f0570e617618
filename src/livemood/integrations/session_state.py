"""What a session is like now, and what happened in it, for programs that ask. Pure."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from livemood.timeline import Timeline
from livemood.timeline.events import (
    Alert,
    Emotion,
    ErrorEvent,
    Gap,
    Level,
    Marker,
    Segment,
    SessionEnded,
    SpeechEnded,
    SpeechStarted,
)
from livemood.timeline.level_words import level_line


class VoiceState(BaseModel):
    """How one person sounds, or sounded last. Times are seconds."""

    channel: int
    who: str
    """The participant's name, else the channel's number, counted from 1."""
    speaking: bool
    silent_for_s: float | None
    """How long nobody has spoken on the channel; none while somebody does."""
    label: str | None
    """The smoothed label of the last reading, or `uncertain`; none before the first."""
    confidence: float | None
    label_for_s: float | None
    """How long the label has held in the speech that was read."""
    valence: float | None
    """-1 to 1."""
    arousal: float | None
    """-1 to 1."""
    arousal_trend: float | None
    """Arousal of the last 10 s less that of the 30 s before; none before there is enough."""


class SessionState(BaseModel):
    """A session now."""

    session: str
    source: str
    ended: bool
    at_s: float
    """How far its sound has come."""
    voices: list[VoiceState]
    alerts_up: list[str]
    """What was raised and is not over, one line each."""
    note: str = "An estimate of how speech sounds, not of what a person feels."


class Entry(BaseModel):
    """One thing that happened."""

    start_s: float
    end_s: float
    kind: str
    """`segment`, `alert`, `marker`, `gap`, `level` or `error`."""
    who: str | None
    what: str
    """One plain line."""
    label: str | None = None
    confidence: float | None = None
    valence: float | None = None
    arousal: float | None = None


RECENT_MS, BEFORE_MS = 10_000, 30_000
ENOUGH = 4
"""Readings on each side that a trend needs."""


def state_of(timeline: Timeline) -> SessionState:
    """The session of `timeline` as it is at its last event."""
    numbered = [event for event in timeline.events if event.seq is not None]
    now = max((event.end_ms for event in numbered), default=0)
    return SessionState(
        session=numbered[0].session if numbered else "",
        source=timeline.source,
        ended=timeline.ended is not None,
        at_s=now / 1000,
        voices=[_voice(timeline, channel, now) for channel in timeline.channels],
        alerts_up=_alerts_up(timeline),
    )


def _voice(timeline: Timeline, channel: int, now_ms: int) -> VoiceState:
    speaking, heard_ms, began_ms = False, 0, 0
    readings: list[Emotion] = []
    for event in timeline.of_channel(channel):
        if isinstance(event, SpeechStarted):
            speaking = True
        elif isinstance(event, SpeechEnded):
            speaking, heard_ms = False, event.end_ms
        elif isinstance(event, Emotion):
            if not readings or readings[-1].label != event.label:
                began_ms = event.start_ms if not readings else readings[-1].end_ms
            readings.append(event)
    last = readings[-1] if readings else None
    speaking = speaking and timeline.ended is None
    return VoiceState(
        channel=channel,
        who=timeline.who(channel),
        speaking=speaking,
        silent_for_s=None if speaking else (now_ms - heard_ms) / 1000,
        label=last.label if last else None,
        confidence=round(last.confidence, 3) if last else None,
        label_for_s=(last.end_ms - began_ms) / 1000 if last else None,
        valence=round(last.valence, 3) if last else None,
        arousal=round(last.arousal, 3) if last else None,
        arousal_trend=_trend(readings),
    )


def _trend(readings: Sequence[Emotion]) -> float | None:
    if not readings:
        return None
    until = readings[-1].end_ms - RECENT_MS
    recent = [e.arousal for e in readings if e.end_ms > until]
    before = [e.arousal for e in readings if until - BEFORE_MS < e.end_ms <= until]
    if min(len(recent), len(before)) < ENOUGH:
        return None
    return round(sum(recent) / len(recent) - sum(before) / len(before), 3)


def _alerts_up(timeline: Timeline) -> list[str]:
    up: dict[tuple[str, int | None], str] = {}
    for event in timeline.events:
        if isinstance(event, Alert):
            key = (event.rule, event.channel)
            up.pop(key, None)
            if event.state == "raised":
                up[key] = f"{event.rule}: {event.reason} (since {event.start_ms / 1000:.1f} s)"
    return list(up.values())


def entries(
    timeline: Timeline,
    *,
    from_s: float = 0.0,
    to_s: float | None = None,
    channel: int | None = None,
    label: str | None = None,
    min_confidence: float = 0.0,
    text: str | None = None,
) -> Iterator[Entry]:
    """What happened from `from_s` to `to_s`, in order; what does not match is left out.

    `label` and `min_confidence` are those of segments; `text` is looked for in every line.
    """
    for event in timeline.events:
        if channel is not None and event.channel != channel:
            continue
        if event.end_ms < from_s * 1000 or (to_s is not None and event.start_ms > to_s * 1000):
            continue
        found = _entry(timeline, event)
        if found is None or (text and text.casefold() not in found.what.casefold()):
            continue
        if label is not None and (found.label != label or (found.confidence or 0) < min_confidence):
            continue
        yield found


def _entry(timeline: Timeline, event: object) -> Entry | None:
    if isinstance(event, SessionEnded) or not isinstance(
        event, Segment | Alert | Marker | Gap | Level | ErrorEvent
    ):
        return None
    who = None if event.channel is None else timeline.who(event.channel)
    found = Entry(
        start_s=event.start_ms / 1000,
        end_s=event.end_ms / 1000,
        kind=event.type,
        who=who,
        what="",
    )
    if isinstance(event, Segment):
        return found.model_copy(
            update={
                "what": f"{who or 'somebody'} sounds {event.label}",
                "label": event.label,
                "confidence": round(event.confidence, 3),
                "valence": round(event.valence, 3),
                "arousal": round(event.arousal, 3),
            }
        )
    if isinstance(event, Alert):
        text = f"alert {event.rule} {event.state}: {event.reason}"
    elif isinstance(event, Marker):
        text = f"note: {event.note}"
    elif isinstance(event, Gap):
        text = f"{event.end_ms - event.start_ms} ms of sound lost: {event.cause}"
    elif isinstance(event, Level):
        text = level_line(event.problems)
    else:
        text = event.message
    return found.model_copy(update={"what": text})
