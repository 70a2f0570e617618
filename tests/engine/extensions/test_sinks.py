"""Sinks of one's own: each gets every event, and none holds up the readings or the others."""

import logging
import threading

import pytest

import livemood
from livemood.engine.extensions.sinks import SinkThread


def test_every_sink_gets_every_event_and_is_closed(demo_file):
    class Kept:
        def __init__(self):
            self.events, self.closed = [], 0

        def __call__(self, event):
            assert not self.closed
            self.events.append(event)

        def close(self):
            self.closed += 1

    kept, plain = Kept(), []
    events = list(livemood.listen(demo_file, speed=None, sinks=[kept, plain.append]))
    assert kept.events == plain == events
    assert kept.closed == 1


def test_a_sink_that_hangs_holds_up_nobody_and_is_told_what_it_lost(demo_timeline):
    go_on, slow, quick = threading.Event(), [], []

    def hang(event):
        go_on.wait()
        slow.append(event)

    sink = SinkThread(hang, live=True, limit=20)
    for event in demo_timeline.events:
        sink.put(event)
        quick.append(event)
    go_on.set()
    sink.close()
    told = [e for e in slow if e.type == "error"]
    assert sum(e.count for e in told) == len(quick) - (len(slow) - len(told)) > 0
    assert {e.code for e in told} == {"slow_client"}
    assert [e for e in slow if e.type != "error"] == [e for e in quick if e in slow]
    assert [e for e in quick if e.type != "emotion"] == [
        e for e in slow if e.type not in ("emotion", "error")
    ], "nothing but readings is given up"


def test_a_sink_that_fails_is_said_once_and_goes_on(demo_file, caplog):
    taken = []

    def fails(event):
        taken.append(event)
        raise RuntimeError("no room")

    with caplog.at_level(logging.ERROR):
        events = list(livemood.listen(demo_file, speed=None, sinks=[fails]))
    assert taken == events
    assert len([r for r in caplog.records if r.exc_info]) == 1
    assert f"failed to take {len(events)} events" in caplog.text


def test_leaving_early_closes_the_sinks(demo_file):
    taken, before = [], threading.active_count()
    events = livemood.listen(demo_file, sinks=[taken.append])
    assert next(events).type == "session.started"
    events.close()
    assert taken[-1].type == "session.ended"
    assert threading.active_count() == before


@pytest.mark.parametrize("live", [True, False])
def test_a_sink_may_end_its_own_session(live):
    ended = []

    def sink(event):
        ended.append(event)
        thread.close()

    thread = SinkThread(sink, live=live)
    event = livemood.ErrorEvent(session="s", time="now", code="c", message="m", fatal=False)
    thread.put(event)
    thread._thread.join(10)
    assert ended == [event]
