"""Prometheus metrics of all sessions together. No label ever holds a session's id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from livemood.server.monitor.metrics import LATENCY_BUCKETS
from livemood.server.sessions.live import OpenSession
from livemood.timeline.events import (
    AnyEvent,
    Emotion,
    Gap,
    Load,
    SessionEnded,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
)


class ServiceMetrics:
    """Counts what goes by. `count` belongs to one thread; the rest may be used by any."""

    def __init__(self) -> None:
        self._registry = r = CollectorRegistry()
        self._windows = Counter("livemood_windows", "Windows read.", registry=r)
        self._superseded = Counter(
            "livemood_windows_superseded", "Windows given up, being behind.", registry=r
        )
        self._gaps = Counter("livemood_gaps", "Stretches of lost sound.", ["cause"], registry=r)
        self._gap_seconds = Counter(
            "livemood_gap_seconds", "Seconds of lost sound.", ["cause"], registry=r
        )
        latency = Histogram(
            "livemood_latency_seconds",
            "From the capture of a window's last sample to its event.",
            ["stage"],
            buckets=LATENCY_BUCKETS,
            registry=r,
        )
        self._latency = [(s, latency.labels(s)) for s in ("total", "queue", "compute")]
        self.sessions = Gauge("livemood_sessions", "Sessions by state.", ["state"], registry=r)
        self.streams = Gauge("livemood_streams", "Channels of live sessions.", registry=r)
        self._speaking = Gauge("livemood_speaking", "Channels with speech now.", registry=r)
        self._behind = Gauge("livemood_behind", "Sessions that miss the budget now.", registry=r)
        self.started = Counter("livemood_sessions_started", "Sessions.", ["kind"], registry=r)
        self.ended = Counter("livemood_sessions_ended", "How they ended.", ["reason"], registry=r)
        self.refused = Counter("livemood_refused", "Requests refused.", ["code"], registry=r)
        self.packets = Counter("livemood_packets", "Packets and frames.", ["kind"], registry=r)
        self.rtp = Counter(
            "livemood_rtp_packets",
            "RTP packets received, and those that brought no sound.",
            ["outcome"],
            registry=r,
        )
        self.clients = Gauge("livemood_clients", "Connected WebSocket clients.", registry=r)
        self.dropped = Counter(
            "livemood_client_events_dropped", "Events slow clients lost.", registry=r
        )
        self.queue = Gauge("livemood_queue_depth", "What waits.", ["queue"], registry=r)
        self.load = Gauge("livemood_load", "Share of time that reading takes.", registry=r)
        self.lost = Gauge("livemood_events_lost", "Events that could not be kept.", registry=r)
        self._model = Info("livemood_model", "What reads.", registry=r)

    def describe(self, **info: str) -> None:
        """Say what model runs and by which provider."""
        self._model.info(info)

    def count(self, session: OpenSession, event: AnyEvent) -> None:
        """Take the next event of a session."""
        if isinstance(event, Emotion):
            self._windows.inc()
            for stage, histogram in self._latency:
                histogram.observe(max(0.0, getattr(event.latency_ms, stage) / 1000))
        elif isinstance(event, Gap):
            self._gaps.labels(event.cause).inc()
            self._gap_seconds.labels(event.cause).inc((event.end_ms - event.start_ms) / 1000)
        elif isinstance(event, Load):
            self._give_up(session, event.channel, event.superseded)
        elif isinstance(event, SpeechStarted):
            self._speaking.inc()
        elif isinstance(event, SpeechEnded):
            self._speaking.dec()
        elif isinstance(event, SessionStarted):
            self.streams.inc(event.channels)
            self.started.labels(session.record.kind).inc()
        elif isinstance(event, SessionEnded):
            self.streams.dec(len(event.summary))
            self.ended.labels(event.reason).inc()
            for summary in event.summary:
                self._give_up(session, summary.channel, summary.superseded)

    def count_behind(self, number: int) -> None:
        """So many sessions miss the budget."""
        self._behind.set(number)

    def _give_up(self, session: OpenSession, channel: int | None, so_far: int) -> None:
        self._superseded.inc(max(0, so_far - session.superseded.get(channel, 0)))
        session.superseded[channel] = so_far

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
