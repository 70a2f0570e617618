"""A timeline: the events of one session, gathered by channel."""

from collections.abc import Iterable
from typing import Any, Final

from livemood.timeline.events import (
    AnyEvent,
    ChannelSummary,
    Emotion,
    Marker,
    Segment,
    SessionEnded,
    SessionStarted,
)

SCHEMA: Final = "livemood.timeline/1"


class Timeline:
    """Everything that a session said, in order."""

    def __init__(self, events: Iterable[AnyEvent] = ()) -> None:
        self.events: list[AnyEvent] = []
        self.started: SessionStarted | None = None
        self.ended: SessionEnded | None = None
        for event in events:
            self.add(event)

    def add(self, event: AnyEvent) -> None:
        """Take the next event."""
        self.events.append(event)
        if isinstance(event, SessionStarted):
            self.started = event
        elif isinstance(event, SessionEnded):
            self.ended = event

    @property
    def source(self) -> str:
        """Where the sound came from."""
        return self.started.source if self.started else ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the model."""
        return self.started.model.labels if self.started else ()

    @property
    def channels(self) -> range:
        """The session's channels."""
        return range(self.started.channels if self.started else 0)

    def of_channel(self, channel: int) -> list[AnyEvent]:
        """The events of one channel."""
        return [event for event in self.events if event.channel == channel]

    def emotions(self, channel: int) -> list[Emotion]:
        """The readings of one channel."""
        return [e for e in self.events if isinstance(e, Emotion) and e.channel == channel]

    def segments(self, channel: int) -> list[Segment]:
        """The closed segments of one channel."""
        return [e for e in self.events if isinstance(e, Segment) and e.channel == channel]

    @property
    def markers(self) -> list[Marker]:
        """What was noted."""
        return [event for event in self.events if isinstance(event, Marker)]

    def summary(self, channel: int) -> ChannelSummary | None:
        """The channel's summary, once the session has ended."""
        return self.ended.summary[channel] if self.ended else None

    def to_json(self) -> dict[str, Any]:
        """The timeline as one JSON object of the schema `livemood.timeline/1`."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "model": self.started.model.model_dump(mode="json") if self.started else None,
            "events": [e.model_dump(mode="json") for e in self.events if e.channel is None],
            "channels": [self._channel(channel) for channel in self.channels],
            "markers": [{"at_ms": m.start_ms, "note": m.note} for m in self.markers],
        }

    def _channel(self, channel: int) -> dict[str, Any]:
        summary = self.summary(channel)
        keys = {"start_ms", "end_ms", "label", "confidence", "valence", "arousal"}
        whole: dict[str, Any] = {"shares": {}}
        if summary:
            whole = summary.session.model_dump(mode="json")
            whole["last_30s"] = summary.last_30s.model_dump(mode="json")
            counts = {"gap_ms", "windows", "superseded"}
            whole |= summary.model_dump(include=counts)
        return {
            "channel": channel,
            "duration_ms": summary.duration_ms if summary else 0,
            "speech_ms": summary.speech_ms if summary else 0,
            "events": [e.model_dump(mode="json") for e in self.of_channel(channel)],
            "segments": [s.model_dump(mode="json", include=keys) for s in self.segments(channel)],
            "summary": whole,
        }
