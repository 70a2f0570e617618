"""What both servers count of events."""

import pytest

from livemood.server.monitor.metrics import EventMetrics
from livemood.server.sessions.metrics import ServiceMetrics
from livemood.timeline.events import Level, Load


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


@pytest.mark.parametrize("make", [EventMetrics, ServiceMetrics])
def test_problems_with_the_level_are_counted_when_they_begin(make):
    metrics = make()
    of_none = {"seq": 1, "time": "", "speech_db": None, "noise_db": None, "peak_db": None}
    for session, problems in [
        ("a", ("quiet",)),
        ("a", ("quiet", "clipped")),
        ("b", ("quiet",)),
        ("a", ()),
        ("a", ("quiet",)),
    ]:
        metrics.count(Level(session=session, channel=0, problems=problems, **of_none))
    exposition = metrics.exposition()
    assert b'livemood_level_problems_total{problem="quiet"} 3.0' in exposition
    assert b'livemood_level_problems_total{problem="clipped"} 1.0' in exposition
