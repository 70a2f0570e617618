"""The event log and each client's place in it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.server.monitor.log import Entry, EventLog, Subscription
from livemood.timeline.events import ErrorEvent, client_notice, parse_event


def entry(seq, droppable=True):
    return Entry(seq, json.dumps({"seq": seq}), droppable)


def filled(droppables, history=20_000):
    """A log of events, each an emotion or not."""
    log = EventLog(history)
    for seq, droppable in enumerate(droppables, start=1):
        log.append(entry(seq, droppable))
    return log


def drained(subscription):
    """Everything that the client is given until it has had all."""
    messages = []
    while not subscription.at_end:
        taken = subscription.take()
        assert taken, "not at the end, and yet nothing to take"
        messages += taken
    return messages


def sequence(messages):
    """The sequence numbers among the messages."""
    return [m["seq"] for m in map(json.loads, messages) if m.get("type") != "error"]


def told(messages, code):
    """How many events the client was told it lost, for each notice of `code`."""
    errors = [parse_event(m) for m in messages if json.loads(m).get("type") == "error"]
    assert all(isinstance(e, ErrorEvent) and not e.fatal and e.seq is None for e in errors)
    return [e.count for e in errors if e.code == code]


# The log


def test_a_log_gives_events_from_any_place_on():
    log = filled([True] * 10)
    assert [e.seq for e in log.from_seq(4, 3)] == [4, 5, 6]
    assert [e.seq for e in log.from_seq(9, 100)] == [9, 10]
    assert log.from_seq(11, 5) == []


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 20), st.integers(0, 60), st.integers(0, 30))
def test_a_log_is_a_list_of_which_the_newest_part_is_kept(appended, history, seq, count):
    log = filled([True] * appended, history)
    kept = list(range(max(1, appended - history + 1), appended + 1))
    assert log.last_seq == appended
    assert log.first_seq == (kept[0] if kept else 1)
    assert [e.seq for e in log.from_seq(seq, count)] == [x for x in kept if x >= seq][:count]


def test_a_log_refuses_an_event_out_of_order():
    log = filled([True] * 3)
    for seq in (3, 5, 1):
        with pytest.raises(ValueError, match="cannot follow event 3"):
            log.append(entry(seq))
    assert log.last_seq == 3


def test_listeners_are_woken_by_each_event_and_by_the_end_and_not_after_they_left():
    log, woken = EventLog(), []

    def wake():
        woken.append(log.last_seq)

    log.add_listener(wake)
    assert log.listeners == 1
    log.append(entry(1))
    log.append(entry(2))
    log.close()
    assert woken == [1, 2, 2]
    assert log.closed
    log.remove_listener(wake)
    log.remove_listener(wake)
    log.close()
    assert woken == [1, 2, 2]
    assert log.listeners == 0


# One client


def test_a_client_that_comes_late_gets_everything_from_the_beginning_in_order():
    subscription = Subscription(filled([True] * 1_000), after=0, limit=10)
    assert sequence(drained(subscription)) == list(range(1, 1_001))
    assert subscription.dropped == 0


def test_a_client_that_comes_back_gets_what_it_missed():
    subscription = Subscription(filled([True] * 50), after=40)
    assert sequence(drained(subscription)) == list(range(41, 51))


def test_a_client_that_has_had_everything_gets_nothing():
    log = filled([True] * 5)
    subscription = Subscription(log, after=5)
    assert subscription.at_end
    assert subscription.take() == []
    log.append(entry(6))
    assert not subscription.at_end
    assert sequence(subscription.take()) == [6]
    assert subscription.take() == []


def test_a_client_of_an_empty_log_waits_for_the_first_event():
    log = EventLog()
    subscription = Subscription(log, after=0)
    assert subscription.at_end
    assert subscription.take() == []
    log.append(entry(1))
    assert sequence(subscription.take()) == [1]


def test_a_slow_client_loses_the_oldest_emotions_and_is_told_how_many():
    log = filled([])
    subscription = Subscription(log, after=0, limit=10)
    for seq in range(1, 31):
        log.append(entry(seq))
    messages = drained(subscription)
    assert told(messages, "slow_client") == [20]
    assert sequence(messages) == list(range(21, 31))
    assert subscription.dropped == 20
    assert json.loads(messages[0])["code"] == "slow_client"


def test_a_slow_client_loses_nothing_but_emotions():
    log = filled([])
    subscription = Subscription(log, after=0, limit=10)
    for seq in range(1, 101):
        log.append(entry(seq, droppable=seq % 3 == 0))
    messages = drained(subscription)
    assert {seq for seq in range(1, 101) if seq % 3} <= set(sequence(messages))
    assert told(messages, "slow_client") == [100 - len(sequence(messages))]


def test_a_client_that_has_lost_nothing_is_told_nothing():
    log = filled([])
    subscription = Subscription(log, after=0, limit=10)
    for seq in range(1, 101):
        log.append(entry(seq, droppable=False))
    messages = drained(subscription)
    assert sequence(messages) == list(range(1, 101))
    assert told(messages, "slow_client") == []
    assert subscription.dropped == 0


def test_a_client_within_its_limit_loses_nothing():
    log = filled([])
    subscription = Subscription(log, after=0, limit=10)
    found = []
    for seq in range(1, 101):
        log.append(entry(seq))
        if seq % 10 == 0:
            found += drained(subscription)
    assert sequence(found) == list(range(1, 101))
    assert told(found, "slow_client") == []


def test_a_slow_client_costs_another_one_nothing():
    log = filled([])
    slow, quick = Subscription(log, 0, limit=5), Subscription(log, 0, limit=5)
    found = []
    for seq in range(1, 101):
        log.append(entry(seq))
        found += drained(quick)
    assert sequence(found) == list(range(1, 101))
    assert quick.dropped == 0
    drained(slow)
    assert slow.dropped == 95


def test_what_was_there_before_a_client_came_is_not_dropped_while_more_comes():
    log = filled([True] * 300)
    subscription = Subscription(log, after=0, limit=10)
    found = subscription.take()
    for seq in range(301, 601):
        log.append(entry(seq))
    found += drained(subscription)
    assert sequence(found)[:300] == list(range(1, 301))
    assert subscription.dropped > 0


def test_events_that_are_no_longer_kept_are_told_as_lost_history():
    subscription = Subscription(filled([False] * 100, history=20), after=30)
    messages = drained(subscription)
    assert told(messages, "history_lost") == [50]
    assert sequence(messages) == list(range(81, 101))


def test_whoever_comes_late_is_told_what_the_session_is():
    subscription = Subscription(filled([False] * 100, history=20), after=0)
    messages = subscription.take()
    assert told(messages, "history_lost") == [79]
    assert sequence(messages) == [1, *range(81, 101)]


def test_a_client_told_of_an_error_gets_one_event_that_is_fatal():
    event = client_notice("bad_request", "after must be a number")
    assert isinstance(event, ErrorEvent)
    assert (event.code, event.message, event.fatal) == (
        "bad_request",
        "after must be a number",
        True,
    )


STEPS = st.lists(st.lists(st.booleans(), max_size=40) | st.just("take"), max_size=40)
"""Events appended together, each droppable or not; or one take."""


@settings(deadline=None)
@given(
    before=st.lists(st.booleans(), max_size=150),
    after_share=st.floats(0, 1),
    steps=STEPS,
    limit=st.integers(1, 30),
    history=st.integers(5, 300),
)
def test_what_is_delivered_dropped_and_lost_is_everything_in_order_and_once(
    before, after_share, steps, limit, history
):
    log, droppable = filled(before, history), [True, *before]
    after = int(after_share * len(before))
    subscription = Subscription(log, after, limit)
    messages = []
    for step in [*steps, "take"]:
        if step == "take":
            messages += subscription.take()
        else:
            for kind in step:
                log.append(entry(len(droppable), kind))
                droppable.append(kind)
    messages += drained(subscription)
    got = sequence(messages)
    dropped, lost = told(messages, "slow_client"), told(messages, "history_lost")
    assert got == sorted(set(got))
    assert all(count > 0 for count in dropped + lost)
    assert len(got) + sum(dropped) + sum(lost) == len(droppable) - 1 - after
    assert subscription.dropped == sum(dropped)
    missing = set(range(after + 1, len(droppable))) - set(got)
    if not lost:
        assert all(droppable[seq] for seq in missing)
        assert all(seq > len(before) for seq in missing)
    if not dropped and not lost:
        assert not missing


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=200), st.integers(1, 30))
def test_emotions_beyond_the_newest_events_that_fit_the_limit_are_dropped_and_no_others(
    kinds, limit
):
    log = EventLog()
    subscription = Subscription(log, after=0, limit=limit)
    for seq, kind in enumerate(kinds, start=1):
        log.append(entry(seq, kind))
    fits = len(kinds) - limit
    expected = [seq for seq, kind in enumerate(kinds, start=1) if seq > fits or not kind]
    assert sequence(drained(subscription)) == expected


def test_one_take_of_a_long_history_is_a_piece_of_it():
    subscription = Subscription(filled([True] * 10_000), after=0)
    assert 0 < len(subscription.take()) <= 100
