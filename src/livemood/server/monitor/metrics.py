"""Prometheus metrics of sessions' events. No label ever holds a session's id."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from livemood.timeline.events import (
    AnyEvent,
    Emotion,
    Gap,
    Level,
    Load,
    SessionEnded,
    SpeechEnded,
    SpeechStarted,
)

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)

Place = tuple[str, int | None]
"""A channel of a session."""


class EventMetrics:
    """Counts the events of one session or of many; the names mean the same in both servers.

    `count` belongs to one thread; the rest may be used by any.
    """

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        self.shared = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        """Whether other processes count for the same server."""
        self._given_up: dict[Place, int] = {}
        self._late: set[Place] = set()
        self._windows = Counter("livemood_windows", "Windows read.", registry=r)
        self._superseded = Counter(
            "livemood_windows_superseded", "Windows given up, being behind.", registry=r
        )
        self._gaps = Counter("livemood_gaps", "Stretches of lost sound.", ["cause"], registry=r)
        self._gap_seconds = Counter(
            "livemood_gap_seconds", "Seconds of lost sound.", ["cause"], registry=r
        )
        self._levels = Counter(
            "livemood_level_problems",
            "Times that the level of a channel was said to be wrong: quiet, clipped, dead.",
            ["problem"],
            registry=r,
        )
        self._wrong: dict[Place, frozenset[str]] = {}
        latency = Histogram(
            "livemood_latency_seconds",
            "From the capture of a window's last sample to its event.",
            ["stage"],
            buckets=LATENCY_BUCKETS,
            registry=r,
        )
        self._latency = [(s, latency.labels(s)) for s in ("total", "queue", "compute")]
        self._behind = _gauge(r, "livemood_behind", "Channels that miss the budget now.")
        self._speaking = _gauge(r, "livemood_speaking", "Channels with speech now.")
        self.clients = _gauge(r, "livemood_clients", "Connected WebSocket clients.")
        self.dropped = Counter(
            "livemood_client_events_dropped", "Events slow clients lost.", registry=r
        )

    def count(self, event: AnyEvent) -> None:
        """Take the next event of its session."""
        if isinstance(event, Emotion):
            self._windows.inc()
            for stage, histogram in self._latency:
                histogram.observe(max(0.0, getattr(event.latency_ms, stage) / 1000))
        elif isinstance(event, Gap):
            self._gaps.labels(event.cause).inc()
            self._gap_seconds.labels(event.cause).inc((event.end_ms - event.start_ms) / 1000)
        elif isinstance(event, Level):
            self._level((event.session, event.channel), frozenset(event.problems))
        elif isinstance(event, Load):
            self._load((event.session, event.channel), event.superseded, event.behind)
        elif isinstance(event, SpeechStarted):
            self._speaking.inc()
        elif isinstance(event, SpeechEnded):
            self._speaking.dec()
        elif isinstance(event, SessionEnded):
            for summary in event.summary:
                place = (event.session, summary.channel)
                self._load(place, summary.superseded, behind=False)
                self._given_up.pop(place, None)
                self._wrong.pop(place, None)

    def _level(self, place: Place, problems: frozenset[str]) -> None:
        for problem in problems - self._wrong.get(place, frozenset()):
            self._levels.labels(problem).inc()
        self._wrong[place] = problems

    def _load(self, place: Place, superseded: int, behind: bool) -> None:
        self._superseded.inc(max(0, superseded - self._given_up.get(place, 0)))
        self._given_up[place] = superseded
        (self._late.add if behind else self._late.discard)(place)
        self._behind.set(len(self._late))

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format: of all processes that share a server, summed.

        They do where `PROMETHEUS_MULTIPROC_DIR` names a folder: there each writes its own, which
        stay when it dies, so that no counter ever falls.
        """
        if not self.shared:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _gauge(registry: CollectorRegistry, name: str, what: str) -> Gauge:
    return Gauge(name, what, registry=registry, multiprocess_mode="livesum")
