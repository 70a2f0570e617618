"""The latency budget, with a simulated machine and a simulated clock."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.engine.channel.latency_budget import LatencyBudget, LoadChange

BUDGET = 0.15
HOP = 0.25


@dataclass
class Read:
    """One window that the simulated machine read."""

    captured_at: float
    latency: float
    waiting: int
    """Windows that waited with it when it was chosen."""
    change: LoadChange | None


def simulate(budget, windows, cost_of, stalls=()):
    """A machine that reads one stream: `windows` hops long, `cost_of(time)` s for each window.

    `stalls` are (from, to) in which it does nothing. Windows come on multiples of the stretched
    hop; what waits together is decided on together, as a channel does it.
    """
    now, captured, reads, grid = 0.0, [], [], 1
    while grid <= windows or captured:
        while grid <= windows and grid * HOP <= now:
            if grid % budget.stretch == 0:
                captured.append(grid * HOP)
            grid += 1
        if not captured:
            now = max(now, grid * HOP)
            continue
        for begin, end in stalls:
            if begin <= now < end:
                now = end
        while grid <= windows and grid * HOP <= now:
            if grid % budget.stretch == 0:
                captured.append(grid * HOP)
            grid += 1
        waiting, given_up = len(captured), budget.give_up(captured, now)
        assert 0 <= given_up < waiting
        for capture_time in captured[given_up:]:
            cost = cost_of(now)
            now += cost
            change = budget.read(now - capture_time, cost, given_up)
            reads.append(Read(capture_time, now - capture_time, waiting, change))
            given_up = 0
        captured = []
    return reads


def changes(reads):
    return [read.change.behind for read in reads if read.change]


def test_a_machine_that_is_fast_enough_gives_nothing_up():
    budget = LatencyBudget(BUDGET)
    reads = simulate(budget, 200, lambda _: 0.03)
    assert len(reads) == 200
    assert budget.superseded == 0
    assert not budget.behind
    assert budget.stretch == 1
    assert changes(reads) == []


def test_after_a_stall_the_backlog_is_given_up_and_the_newest_window_read():
    budget = LatencyBudget(BUDGET)
    reads = simulate(budget, 60, lambda _: 0.02, stalls=[(5.0, 9.0)])
    late = [read for read in reads if read.waiting > 1]
    assert [read.captured_at for read in late] == [9.0]
    assert budget.superseded == late[0].waiting - 1 == 16
    assert not budget.behind
    assert budget.stretch == 1
    assert changes(reads) == [True, False]


def test_behind_is_told_once_when_the_machine_slows_down_and_once_when_it_has_caught_up():
    budget = LatencyBudget(BUDGET)
    reads = simulate(budget, 400, lambda now: 0.4 if 20 <= now < 40 else 0.02)
    assert changes(reads) == [True, False]
    told, cleared = (read for read in reads if read.change)
    assert 20 <= told.captured_at <= 21
    assert told.change.latency_s == pytest.approx(told.latency)
    assert 40 <= cleared.captured_at <= 60
    assert budget.stretch == 1
    assert not budget.behind


def test_a_machine_that_is_never_fast_enough_stays_behind_at_the_longest_hop():
    budget = LatencyBudget(BUDGET)
    reads = simulate(budget, 400, lambda _: 0.3)
    assert changes(reads) == [True]
    assert budget.behind
    assert budget.stretch == budget.MAX_STRETCH
    # At 8 hops a window has 2 s: what is read now is late by its own cost alone.
    assert reads[-1].latency == pytest.approx(0.3)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.001, 1.0), min_size=1, max_size=60),
    st.lists(st.tuples(st.floats(0, 12), st.floats(0, 8)), max_size=3),
)
def test_no_stale_window_is_ever_read_while_a_newer_one_waits(costs, stalls):
    budget = LatencyBudget(BUDGET)
    count = iter(range(10_000))
    spans = [(begin, begin + length) for begin, length in stalls]
    reads = simulate(budget, 60, lambda _: costs[next(count) % len(costs)], spans)
    order = [read.captured_at for read in reads]
    assert order == sorted(set(order))
    told = changes(reads)
    assert all(a != b for a, b in pairwise(told))
    assert told[:1] in ([], [True])
    assert budget.behind == (told[-1:] == [True])


CAPTURES = st.lists(st.floats(0, 3), min_size=1, max_size=20).map(sorted)


@settings(deadline=None)
@given(CAPTURES, st.floats(0, 1), st.floats(0, 0.2), st.floats(0.01, 1))
def test_what_is_kept_can_be_out_in_time_and_no_more_is_given_up_than_that_takes(
    captured, wait, cost, promise
):
    budget, now = LatencyBudget(promise), captured[-1] + wait

    def in_time(kept):
        out = [now + (place + 1) * cost for place in range(len(kept))]
        return all(done - at <= promise for done, at in zip(out, kept, strict=True))

    budget.read(0.0, cost)
    given_up = budget.give_up(captured, now)
    assert 0 <= given_up < len(captured)
    assert in_time(captured[given_up:]) or given_up == len(captured) - 1
    assert not any(in_time(captured[fewer:]) for fewer in range(given_up))
    assert budget.superseded == given_up


def test_the_newest_window_is_kept_however_old_it_is():
    budget = LatencyBudget(BUDGET)
    budget.read(0.05, 0.05)
    assert budget.give_up([1.0], now=100.0) == 0
    assert budget.give_up([1.0, 2.0, 3.0], now=100.0) == 2
    assert budget.superseded == 2


def test_with_nothing_waiting_nothing_is_given_up():
    assert LatencyBudget(BUDGET).give_up([], now=1.0) == 0


def test_a_window_is_given_up_for_what_reading_it_would_cost():
    budget = LatencyBudget(BUDGET)
    assert budget.give_up([10.0, 10.05], now=10.1) == 0
    budget.read(0.1, 0.1)
    assert budget.give_up([10.0, 10.05], now=10.1) == 1


def test_one_expensive_window_does_not_set_the_price_for_good():
    budget = LatencyBudget(BUDGET)
    budget.read(0.1, 0.1)
    for _ in range(30):
        budget.read(0.01, 0.01)
    assert budget.give_up([10.0, 10.05], now=10.1) == 0


def test_each_miss_doubles_the_hop_up_to_the_maximum():
    budget = LatencyBudget(BUDGET)
    found = []
    for _ in range(5):
        budget.read(0.5, 0.02)
        found.append(budget.stretch)
    assert found == [2, 4, 8, 8, 8]


def test_giving_windows_up_is_a_miss_even_if_the_newest_was_in_time():
    budget = LatencyBudget(BUDGET)
    assert budget.read(0.01, 0.01, given_up=3) == LoadChange(True, 0.01)
    assert budget.stretch == 2


def test_a_window_just_within_the_budget_is_no_miss():
    budget = LatencyBudget(BUDGET)
    assert budget.read(BUDGET, 0.01) is None
    assert not budget.behind


def test_the_hop_comes_back_by_halves_and_behind_is_cleared_with_the_last():
    budget = LatencyBudget(BUDGET)
    for _ in range(3):
        budget.read(0.5, 0.02)
    found = []
    while budget.behind:
        change = budget.read(0.02, 0.02)
        found.append((budget.stretch, change))
    stretches = [stretch for stretch, _ in found]
    calm = budget.CALM
    assert stretches == [8] * (calm - 1) + [4] * calm + [2] * calm + [1]
    assert [change for _, change in found if change] == [LoadChange(False, 0.02)]
    assert found[-1][1] == LoadChange(False, 0.02)


def test_windows_that_only_just_keep_the_budget_do_not_shorten_the_hop():
    budget = LatencyBudget(BUDGET)
    budget.read(0.5, 0.02)
    for _ in range(100):
        assert budget.read(0.9 * BUDGET, 0.02) is None
    assert budget.behind
    assert budget.stretch == 2


def test_calm_windows_must_follow_each_other():
    budget = LatencyBudget(BUDGET)
    budget.read(0.5, 0.02)
    for _ in range(20):
        for _ in range(budget.CALM - 1):
            budget.read(0.02, 0.02)
        budget.read(0.9 * BUDGET, 0.02)
    assert budget.behind


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.02, 0.1, 0.5]), st.integers(0, 2)), max_size=200))
def test_behind_and_the_stretched_hop_go_together_and_each_change_is_told_once(windows):
    budget, told = LatencyBudget(BUDGET), False
    for latency, given_up in windows:
        change = budget.read(latency, 0.02, given_up)
        assert (change is not None) == (budget.behind != told)
        if change:
            assert change == LoadChange(budget.behind, latency)
            told = change.behind
        assert budget.stretch in (1, 2, 4, 8)
        assert budget.behind == (budget.stretch > 1)


@pytest.mark.parametrize("budget_s", [0, -0.1])
def test_a_budget_that_leaves_no_time_is_refused(budget_s):
    with pytest.raises(ValueError, match="must be above 0"):
        LatencyBudget(budget_s)
