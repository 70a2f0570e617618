"""Callbacks of a driver that stalls, trembles, drifts, or says what it lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.sources.callbacks import CallbackClock

RATE, FRAMES = 48000, 480
SOUND = np.ones((FRAMES, 1), np.float32)


def gaps(blocks):
    out, at = [], 0
    for block in blocks:
        assert block.start >= at
        if block.start > at:
            out.append(((block.start - at) / RATE, block.gap_cause))
        at = block.end
    return out


def heard(times, **options):
    clock = CallbackClock(RATE)
    return [block for now in times for block in clock.push(SOUND, now, **options)] + clock.flush()


def test_a_device_that_stalls_leaves_a_gap_as_long_as_it_stalled():
    times = [n / 100 + 1.5 * (n >= 300) + 1.5 * (n >= 600) for n in range(900)]
    blocks = heard(times)
    assert [cause for _, cause in gaps(blocks)] == ["device_stalled"] * 2
    assert [length for length, _ in gaps(blocks)] == pytest.approx([1.5, 1.5], abs=0.02)
    assert blocks[-1].end / RATE == pytest.approx(times[-1] + 0.01, abs=0.02)


def test_callbacks_that_were_held_up_leave_none():
    times = [max(n / 100, 4.2) if 300 <= n < 420 else n / 100 for n in range(900)]
    blocks = heard(times)
    assert gaps(blocks) == []
    assert blocks[-1].end == 900 * FRAMES


@pytest.mark.slow
def test_a_sound_card_that_drifts_loses_nothing():
    for drift in (1 + 150e-6, 1 - 150e-6):
        assert gaps(heard([n / 100 * drift for n in range(60_000)])) == []


def test_what_the_driver_says_it_lost_is_not_counted_twice():
    clock, blocks = CallbackClock(RATE), []
    for n in range(600):
        lost = round(0.8 * RATE) if n == 300 else 0
        now = n / 100 + 0.8 * (n >= 300)
        blocks += clock.push(SOUND, now, lost, "input_overflow")
    assert gaps(blocks) == [(pytest.approx(0.8), "input_overflow")]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    steps=st.lists(st.floats(0.15, 20) | st.integers(5, 100), max_size=5),
)
def test_any_stalls_leave_the_timeline_at_the_time(seed, steps):
    """Numbers are seconds of a stall, whole ones callbacks that were held up."""
    random, now, times = np.random.default_rng(seed), 0.0, []
    for step in [0, *steps]:
        now += step if isinstance(step, float) else 0.0
        begin = len(times)
        for _ in range(250):
            now += 0.01
            times.append(now + random.uniform(0, 0.008))
        if isinstance(step, int):
            times[begin : begin + step] = [times[begin + step]] * step
    blocks = heard(np.maximum.accumulate(times))
    stalled = sum(step for step in steps if isinstance(step, float))
    assert blocks[-1].end / RATE == pytest.approx(now, abs=0.06)
    assert sum(length for length, _ in gaps(blocks)) == pytest.approx(stalled, abs=0.06)
