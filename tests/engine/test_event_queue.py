"""The bounded queue between the engine and a consumer that takes its time."""

import threading

import pytest

from livemood.engine.event_queue import EventQueue


@pytest.fixture(scope="module")
def events(demo_timeline):
    return demo_timeline.events


def drained(queue):
    queue.close()
    return list(iter(queue.get, None))


def test_events_come_out_as_they_went_in(events):
    queue = EventQueue(live=True)
    for event in events:
        queue.put(event)
    assert drained(queue) == events


def test_a_live_session_drops_the_oldest_emotion_events_and_says_how_many(events):
    queue = EventQueue(live=True, limit=40)
    for event in events:
        queue.put(event)
    notice, *rest = drained(queue)
    assert notice.code == "slow_client"
    assert notice.count == len(events) - len(rest)
    kept = [event for event in events if event.type != "emotion"]
    assert [event for event in rest if event.type != "emotion"] == kept
    emotions = [event for event in events if event.type == "emotion"]
    left = [event for event in rest if event.type == "emotion"]
    assert left == emotions[len(emotions) - len(left) :]


def test_an_offline_session_waits_and_loses_nothing(events):
    queue = EventQueue(live=False, limit=3)

    def produce():
        for event in events:
            queue.put(event)
        queue.close()

    producer = threading.Thread(target=produce)
    producer.start()
    assert list(iter(queue.get, None)) == events
    producer.join()


def test_closing_frees_a_producer_that_waits(events):
    queue = EventQueue(live=False, limit=1)
    queue.put(events[0])
    producer = threading.Thread(target=queue.put, args=(events[1],))
    producer.start()
    queue.close()
    producer.join(10)
    assert not producer.is_alive()


def test_waiting_for_nothing_times_out():
    with pytest.raises(TimeoutError):
        EventQueue(live=True).get(timeout=0.001)
