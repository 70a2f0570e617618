"""Prometheus metrics of all sessions together. No label ever holds a session's id."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, generate_latest

from livemood.server.monitor.metrics import EventMetrics
from livemood.timeline.events import AnyEvent, SessionEnded, SessionStarted

SUM: Final = "livesum"
"""How gauges of several processes are put together: what those that live have."""


class ServiceMetrics(EventMetrics):
    """Counts what goes by. `count_of` belongs to one thread; the rest may be used by any."""

    def __init__(self) -> None:
        super().__init__()
        r = self.registry
        self.sessions = Gauge(
            "livemood_sessions", "Sessions by state.", ["state"], registry=r, multiprocess_mode=SUM
        )
        self.streams = Gauge(
            "livemood_streams", "Channels of live sessions.", registry=r, multiprocess_mode=SUM
        )
        self.started = Counter("livemood_sessions_started", "Sessions.", ["kind"], registry=r)
        self.ended = Counter("livemood_sessions_ended", "How they ended.", ["reason"], registry=r)
        self.refused = Counter("livemood_refused", "Requests refused.", ["code"], registry=r)
        self.packets = Counter("livemood_packets", "Packets and frames.", ["kind"], registry=r)
        self.unknown = Counter(
            "livemood_unknown_messages",
            "Messages passed over, of no known type.",
            ["kind"],
            registry=r,
        )
        self.rtp = Counter(
            "livemood_rtp_packets",
            "RTP packets received, and those that brought no sound.",
            ["outcome"],
            registry=r,
        )
        self.queue = Gauge(
            "livemood_queue_depth", "What waits.", ["queue"], registry=r, multiprocess_mode=SUM
        )
        self.load = Gauge(
            "livemood_load",
            "Share of time that reading takes.",
            registry=r,
            multiprocess_mode="livemax",
        )
        self.lost = Gauge(
            "livemood_events_lost",
            "Events that could not be kept.",
            registry=r,
            multiprocess_mode=SUM,
        )
        # What is no number is the same in every process, and is not shared.
        self._about = CollectorRegistry() if self.shared else r
        self._model = Info("livemood_model", "What reads.", registry=self._about)

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        about = generate_latest(self._about) if self.shared else b""
        return super().exposition() + about

    def describe(self, **info: str) -> None:
        """Say what model runs and by which provider."""
        self._model.info(info)

    def count_of(self, kind: str, event: AnyEvent) -> None:
        """Take the next event of a session of that kind."""
        self.count(event)
        if isinstance(event, SessionStarted):
            self.streams.inc(event.channels)
            self.started.labels(kind).inc()
        elif isinstance(event, SessionEnded):
            self.streams.dec(len(event.summary))
            self.ended.labels(event.reason).inc()
