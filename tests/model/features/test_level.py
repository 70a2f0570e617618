"""The level is taken out by a running maximum: the same however frames come, and it forgets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.model.features import WHISPER, FeatureSettings, FrontEnd, level_normalisation
from livemood.model.features.level import LevelNormalisation, LevelSettings

RNG = np.random.default_rng(6)


def normalisation(first=27, group=24, **given):
    settings = LevelSettings(**given)
    return LevelNormalisation(settings, first=first, group=group, frames_s=100, unit_db=10)


def frames(count, level_db=0.0, streams=()):
    return (RNG.normal(-2, 1, (*streams, count, 80)) + level_db / 10).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_groups_come_out_the_same_however_many_come_at_once(counts):
    normalise, total = normalisation(), sum(counts)
    whole = frames(3 + 24 * total)
    pieces, at, maximum = whole.copy(), 0, None
    for count in counts:
        end = at + 24 * count + (0 if at else 3)
        maximum = normalise(pieces[at:end], maximum)
        at = end
    normalise(whole)
    assert np.array_equal(pieces, whole)


def test_streams_together_as_alone():
    normalise, together = normalisation(), frames(75, streams=(5,))
    alone = together.copy()
    last = normalise(together)
    assert last.shape == (5,)
    for row, expected in zip(alone, together, strict=True):
        normalise(row)
        assert np.array_equal(row, expected)


@pytest.mark.parametrize("db", [-30.0, -10.0, 10.0])
def test_another_level_gives_the_same(db):
    normalise, plain = normalisation(), frames(99)
    changed = plain + np.float32(db / 10)
    normalise(plain)
    normalise(changed)
    assert np.abs(changed - plain).max() < 1e-5


def test_a_slam_is_forgotten_at_the_rate_that_is_set():
    normalise = normalisation(forget_db_s=3.0)
    maximum = normalise(frames(27, level_db=60))
    slam = float(maximum)
    for _ in range(25):  # six seconds
        maximum = normalise(frames(24), maximum)
    assert slam - float(maximum) == pytest.approx(1.8, abs=0.01)


def test_silence_is_not_blown_up():
    normalise, silence = normalisation(floor_db=-60.0), np.full((27, 80), -10.0, np.float32)
    normalise(silence)
    assert silence == pytest.approx(np.full((27, 80), -4.0))


def test_the_range_is_limited():
    normalise, deep = normalisation(range_db=20.0), frames(27)
    normalise(deep)
    assert deep.max() == 0
    assert deep.min() == pytest.approx(-2.0)


@pytest.mark.parametrize("kind", ["log-mel", "whisper-log-mel"])
def test_both_kinds_of_features_lose_their_level(kind):
    told = WHISPER if kind == "whisper-log-mel" else {"kind": kind, "log_offset": 1e-10}
    front_end = FrontEnd(FeatureSettings(**told, level=LevelSettings()), first=22, group=8)
    # Of its own: a sound with a band below the floor of the logarithm would differ there.
    noise = np.random.default_rng(6).standard_normal(16000)
    sound = (0.1 * noise * np.linspace(0.1, 1, 16000)).astype(np.float32)
    assert np.abs(front_end(0.03 * sound) - front_end(sound)).max() < 0.01


def test_without_a_level_setting_nothing_is_taken_out():
    settings = FeatureSettings(mean=-6.0, deviation=4.0)
    assert level_normalisation(settings, first=22, group=8) is None
    sound = (0.1 * RNG.standard_normal(1600)).astype(np.float32)
    front_end = FrontEnd(settings, first=22, group=8)
    assert np.array_equal(front_end(sound), front_end.log_mel(sound))


def test_no_frames_have_no_maximum():
    with pytest.raises(ValueError, match="no frames"):
        normalisation()(np.empty((0, 80), np.float32))
