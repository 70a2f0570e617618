"""Prometheus metrics of a session's events. No label ever holds a session's id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from livemood.timeline.events import (
    AnyEvent,
    Emotion,
    Gap,
    Load,
    SessionEnded,
    SpeechEnded,
    SpeechStarted,
)

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counts what goes by; used by one thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._loads: dict[int | None, Load] = {}
        r = self._registry
        self._windows = Counter("livemood_windows", "Windows read.", registry=r)
        self._superseded = Gauge(
            "livemood_windows_superseded", "Windows given up, being behind.", registry=r
        )
        self._gaps = Counter("livemood_gaps", "Stretches of lost sound.", ["cause"], registry=r)
        self._gap_seconds = Counter(
            "livemood_gap_seconds", "Seconds of lost sound.", ["cause"], registry=r
        )
        self._latency = Histogram(
            "livemood_latency_seconds",
            "From the capture of a window's last sample to its event.",
            ["stage"],
            buckets=LATENCY_BUCKETS,
            registry=r,
        )
        self._behind = Gauge("livemood_behind", "Channels that miss the budget now.", registry=r)
        self._speaking = Gauge("livemood_speaking", "Channels with speech now.", registry=r)
        self.clients = Gauge("livemood_clients", "Connected WebSocket clients.", registry=r)
        self.dropped = Counter(
            "livemood_client_events_dropped", "Events slow clients lost.", registry=r
        )

    def count(self, event: AnyEvent) -> None:
        """Take the next event."""
        if isinstance(event, Emotion):
            self._windows.inc()
            for stage in ("total", "queue", "compute"):
                seconds = getattr(event.latency_ms, stage) / 1000
                self._latency.labels(stage).observe(max(0.0, seconds))
        elif isinstance(event, Gap):
            self._gaps.labels(event.cause).inc()
            self._gap_seconds.labels(event.cause).inc((event.end_ms - event.start_ms) / 1000)
        elif isinstance(event, Load):
            self._loads[event.channel] = event
            self._behind.set(sum(load.behind for load in self._loads.values()))
            self._superseded.set(sum(load.superseded for load in self._loads.values()))
        elif isinstance(event, SpeechStarted):
            self._speaking.inc()
        elif isinstance(event, SpeechEnded):
            self._speaking.dec()
        elif isinstance(event, SessionEnded):
            self._behind.set(0)
            self._superseded.set(sum(s.superseded for s in event.summary))

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
