"""The subject of a report: a session, its events, and its metadata."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from livemood.errors import LivemoodError
from livemood.report.words import Words
from livemood.timeline.events import (
    AnyEvent,
    ChannelSummary,
    Emotion,
    ErrorEvent,
    Gap,
    Marker,
    Segment,
    SessionStarted,
)
from livemood.timeline.recover import interrupted_end
from livemood.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: who speaks on it, its events, its summary."""

    number: int
    who: str
    events: Sequence[AnyEvent]
    summary: ChannelSummary
    read: bool = True
    """Whether it was read, or left out as the owner asked."""

    @property
    def segments(self) -> list[Segment]:
        """Its closed segments."""
        return [e for e in self.events if isinstance(e, Segment)]

    @property
    def gaps(self) -> list[Gap]:
        """Where its sound was lost."""
        return [e for e in self.events if isinstance(e, Gap)]

    def latency_ms(self) -> tuple[float, float] | None:
        """Median and 95th percentile in ms. None if the session had no latency budget."""
        latencies = [e.latency_ms.total for e in self.events if isinstance(e, Emotion)]
        if len(latencies) < 2:
            return None
        return median(latencies), quantiles(latencies, n=20)[-1]


class Subject:
    """The session of `timeline`, for a report. Raises `LivemoodError` if it holds none."""

    def __init__(self, timeline: Timeline, words: Words) -> None:
        ended = timeline.ended or interrupted_end(timeline.events)
        if timeline.started is None or ended is None:
            raise LivemoodError("there is no session in it: its beginning is missing")
        self.started: SessionStarted = timeline.started
        who = ", ".join(self.started.participants) or self.started.source
        self.title = f"{words('report_title')}: {who}"
        self.finished = timeline.ended is not None
        self.reason = ended.reason
        self.duration_ms = max((s.duration_ms for s in ended.summary), default=0)
        self.markers = [e for e in timeline.events if isinstance(e, Marker)]
        self.errors = [e for e in timeline.events if isinstance(e, ErrorEvent)]
        numbered = [e.seq for e in timeline.events if e.seq is not None]
        self.missing = max(numbered, default=0) - len(numbered)
        """How many events are missing between the first and the newest."""
        self.labels = timeline.labels
        names = self.started.participants
        by_channel: dict[int | None, list[AnyEvent]] = {}
        for event in timeline.events:
            by_channel.setdefault(event.channel, []).append(event)
        self.channels = [
            Channel(
                s.channel,
                names[s.channel] if s.channel < len(names) else words("channel", n=s.channel + 1),
                by_channel.get(s.channel, []),
                s,
                s.channel not in self.started.not_read,
            )
            for s in ended.summary
        ]
