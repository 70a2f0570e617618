"""Channels that cancel each other."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livemood.audio.downmix import Downmix

RATE = 16000
VOICE = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1


def mixed(stereo, sizes=320):
    mix = Downmix(RATE)
    pieces = [mix.push(stereo[at : at + sizes]) for at in range(0, len(stereo), sizes)]
    return mix, np.concatenate(pieces)[:, 0]


def test_opposite_polarity_is_not_cancelled_and_is_told():
    mix, mono = mixed(np.stack([VOICE, -0.97 * VOICE], axis=1))
    assert mono == pytest.approx(VOICE)
    assert mix.cancelled


@pytest.mark.parametrize(("left", "right"), [(1, 1), (1, 0), (1, 0.3)])
def test_ordinary_stereo_is_its_mean(left, right):
    mix, mono = mixed(np.stack([left * VOICE, right * VOICE], axis=1))
    assert mono == pytest.approx((left + right) / 2 * VOICE, abs=1e-6)
    assert not mix.cancelled


def test_two_voices_are_their_mean():
    other = np.random.default_rng(1).standard_normal(RATE).astype(np.float32) * 0.1
    mix, mono = mixed(np.stack([VOICE, other], axis=1))
    assert mono == pytest.approx((VOICE + other) / 2, abs=1e-6)
    assert not mix.cancelled


def test_polarity_that_turns_in_the_middle_is_followed_without_a_click():
    sign = np.where(np.arange(RATE) < RATE // 2, 1, -1).astype(np.float32)
    slow = np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE).astype(np.float32)
    _, mono = mixed(np.stack([slow, sign * slow], axis=1))
    assert np.abs(mono[-RATE // 4 :]).max() > 0.9
    assert np.abs(np.diff(mono)).max() < 1.1


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    gains=st.lists(st.floats(-1, 1), min_size=2, max_size=6),
    sizes=st.integers(60, 2000),
)
@example(gains=[0.5, -0.4], sizes=1)
def test_whatever_the_gains_a_voice_that_is_there_is_heard(gains, sizes):
    loudest = max(map(abs, gains))
    _, mono = mixed(VOICE[:, None] * np.array(gains, np.float32), sizes)
    assert np.isfinite(mono).all()
    if loudest > 0.01:
        rms = np.sqrt(sum(g * g for g in gains) / len(gains))
        assert mono.std() >= 0.3 * rms * VOICE.std()
