"""A timeline: the events of one session, gathered by channel."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from livemood.errors import UsageError
from livemood.timeline.events import (
    AnyEvent,
    ChannelSummary,
    Emotion,
    Marker,
    Segment,
    SessionEnded,
    SessionStarted,
)
from livemood.timeline.notebook import timeline_html

if TYPE_CHECKING:
    import pandas

SCHEMA: Final = "livemood.timeline/1"
SEGMENT_FIELDS: Final = ("start_ms", "end_ms", "label", "confidence", "valence", "arousal")
"""What the JSON object says of a segment."""
_COLUMNS: Final = (
    *("channel", "participant", "start_ms", "end_ms", "label", "confidence"),
    *("valence", "arousal", "latency_ms"),
)


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

    def summary(self, channel: int = 0) -> ChannelSummary | None:
        """The summary of a channel; none if it does not exist, or before the session ends."""
        if self.ended is None:
            return None
        return next((s for s in self.ended.summary if s.channel == channel), None)

    def participant(self, channel: int) -> str:
        """The name of who speaks on a channel; empty if it was not said."""
        named = self.started.participants if self.started else ()
        return named[channel] if channel < len(named) else ""

    def who(self, channel: int) -> str:
        """Who speaks on a channel: the participant's name, else its number, counted from 1."""
        return self.participant(channel) or f"channel {channel + 1}"

    def to_dataframe(self) -> "pandas.DataFrame":
        """The readings as a pandas table, one row each, in the order of time.

        Columns: `channel`, `participant`, `start_ms`, `end_ms`, `label`, `confidence`, `valence`,
        `arousal`, `latency_ms`, and `p_LABEL` for the smoothed probability of each label. Raises
        `UsageError` if pandas is not installed: livemood does not need it for anything else.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_dataframe needs pandas: pip install pandas") from None
        columns = [*_COLUMNS, *(f"p_{label}" for label in self.labels)]
        readings = (e for e in self.events if isinstance(e, Emotion))
        return pandas.DataFrame([self._row(e) for e in readings], columns=columns)

    def _row(self, event: Emotion) -> list[Any]:
        channel = event.channel or 0
        return [
            channel,
            self.who(channel),
            *(event.start_ms, event.end_ms, event.label, event.confidence),
            *(event.valence, event.arousal, event.latency_ms.total),
            *(event.probabilities.get(label) for label in self.labels),
        ]

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return timeline_html(self)

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
        keys = set(SEGMENT_FIELDS)
        whole: dict[str, Any] = {"shares": {}}
        if summary:
            whole = summary.session.model_dump(mode="json")
            whole["last_30s"] = summary.last_30s.model_dump(mode="json")
            counts = {"gap_ms", "windows", "superseded", "level_ms"}
            whole |= summary.model_dump(include=counts)
        return {
            "channel": channel,
            "duration_ms": summary.duration_ms if summary else 0,
            "speech_ms": summary.speech_ms if summary else 0,
            "events": [e.model_dump(mode="json") for e in self.of_channel(channel)],
            "segments": [s.model_dump(mode="json", include=keys) for s in self.segments(channel)],
            "summary": whole,
        }
