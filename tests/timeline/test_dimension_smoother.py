"""The smoother of valence, arousal and dominance: a mean that forgets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.timeline.smoother import DimensionSmoother, SmootherSettings


def moved(*steps, **settings):
    """The means after windows: (values, seconds since the last, new seconds)."""
    smoother = DimensionSmoother(SmootherSettings(**settings))
    return [smoother.update(*step) for step in steps]


rated = st.tuples(*[st.floats(-1, 1)] * 3)
hops = st.lists(st.tuples(rated | st.just(()), st.floats(0, 30), st.floats(0, 3)), min_size=1)


@given(hops)
def test_means_of_dimensions_lie_within_what_was_read(steps):
    read = []
    for (values, _, _), means in zip(steps, moved(*steps), strict=True):
        read += [values] if values else []
        assert len(means) == (3 if read else 0)
        for mean, column in zip(means, zip(*read, strict=True), strict=False):
            assert min(column) - 1e-9 <= mean <= max(column) + 1e-9


def test_the_first_reading_of_dimensions_is_taken_as_it_is():
    assert moved(((), 1, 0), ((0.5, -0.5), 0.25, 0.1))[-1] == (0.5, -0.5)


def test_a_step_of_a_dimension_is_followed_within_the_dwell_time():
    hop, dwell = 0.25, 4.0
    long_ago = [((0.0,), hop, hop)] * 400
    after = moved(*long_ago, *[((1.0,), hop, hop)] * round(dwell / hop), dwell_s=dwell)
    assert after[-1][0] == pytest.approx(1 - np.exp(-1), abs=0.02)


def test_noise_of_single_windows_is_taken_from_dimensions():
    rng = np.random.default_rng(1)
    noisy = rng.normal(0.2, 0.3, 2000)
    means = np.array(moved(*[((value,), 0.25, 0.25) for value in noisy]))[40:, 0]
    assert np.abs(np.diff(means)).mean() < 0.1 * np.abs(np.diff(noisy)).mean()
    assert means.mean() == pytest.approx(0.2, abs=0.03)


def test_little_is_left_of_dimensions_from_before_a_long_silence():
    *_, after = moved(*[((0.8,), 0.25, 0.25)] * 100, ((-0.4,), 60.0, 0.5))
    assert after[0] == pytest.approx(-0.4, abs=0.001)


def test_a_window_that_says_nothing_keeps_the_means_and_lets_time_pass():
    *_, kept, after = moved(((0.8,), 0.25, 0.5), ((), 60.0, 0.0), ((-0.4,), 0.25, 0.5))
    assert kept == (0.8,)
    assert after[0] == pytest.approx(-0.4, abs=0.001)


def test_sound_that_weighs_nothing_moves_no_dimension():
    *_, after = moved(((0.8,), 0.25, 0.5), ((-0.4,), 0.25, 0.0))
    assert after == (0.8,)
