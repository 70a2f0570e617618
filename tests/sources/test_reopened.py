"""A device that is away and comes back stays on one clock."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from livemood.audio import AudioBlock
from livemood.sources.reopened import UNPLUGGED, OneClock

RATE = 1000


def block(start, count, captured_at):
    return AudioBlock(start, np.zeros((count, 1), np.float32), captured_at)


@given(
    away=st.lists(st.floats(0.01, 3600), min_size=1, max_size=5),
    counts=st.lists(st.integers(1, 500), min_size=1, max_size=5),
    began=st.floats(0, 1e6),
)
def test_the_clock_goes_on_by_the_time_of_capture(away, counts, began):
    clock, now, end = OneClock(RATE), began, 0
    for seconds in [0.0, *away]:
        if seconds:
            said = clock.away(now + seconds / 2)
            assert len(said.samples) == 0
            assert said.start >= end
            assert said.gap_cause == UNPLUGGED
            end, now = said.start, now + seconds
        own = 0
        for count in counts:
            now += count / RATE
            placed = clock.place(block(own, count, now))
            own += count
            assert placed.start >= end
            assert abs(placed.end - (now - began) * RATE) <= 2 + sum(counts) * bool(seconds == 0)
            end = placed.end


def test_sound_that_follows_is_not_moved():
    clock = OneClock(RATE)
    assert not clock.heard
    for n in range(5):
        placed = clock.place(block(100 * n, 100, 7.1 + 0.1 * n))
        assert (placed.start, placed.gap_cause) == (100 * n, "source_lost")
    assert clock.heard
