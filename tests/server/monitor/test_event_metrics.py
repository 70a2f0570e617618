"""What both servers count of events."""

import pytest

from livemood.server.monitor.metrics import EventMetrics
from livemood.server.sessions.metrics import ServiceMetrics
from livemood.timeline.events import Load


def load(session, channel, superseded, behind=True):
    fields = {"seq": 1, "time": "", "latency_ms": 1, "hop_ms": 250}
    return Load(session=session, channel=channel, superseded=superseded, behind=behind, **fields)


@pytest.mark.parametrize("make", [EventMetrics, ServiceMetrics])
def test_windows_and_channels_mean_the_same_in_both_servers(make):
    metrics = make()
    for channel, so_far in [(0, 3), (1, 1), (0, 3), (0, 7)]:
        metrics.count(load("a", channel, so_far))
    assert b"livemood_windows_superseded_total 8.0" in metrics.exposition()
    assert b"livemood_behind 2.0" in metrics.exposition(), "channels, not sessions"
    metrics.count(load("b", 0, 2))
    assert b"livemood_windows_superseded_total 10.0" in metrics.exposition()
    assert b"livemood_behind 3.0" in metrics.exposition()
    metrics.count(load("a", 1, 1, behind=False))
    assert b"livemood_behind 2.0" in metrics.exposition()
