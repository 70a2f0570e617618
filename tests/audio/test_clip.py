"""Clips of any type become floats in [-1, 1] or are refused in one line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from livemood.audio import to_clip
from livemood.errors import UsageError

LENGTHS = st.integers(1, 50)


@given(st.sampled_from([np.int16, np.int32]), LENGTHS, st.data())
def test_integers_are_divided_by_their_full_scale(kind, length, data):
    clip = data.draw(arrays.arrays(kind, length))
    out = to_clip(clip)
    assert out.dtype == np.float32
    assert np.abs(out).max() <= 1
    assert np.allclose(out * -float(np.iinfo(kind).min), clip, rtol=1e-6)


@given(arrays.arrays(np.float32, LENGTHS, elements=st.floats(-1, 1, width=32)))
def test_floats_stay(clip):
    assert np.array_equal(to_clip(clip), clip)
    assert np.array_equal(to_clip(clip.astype(np.float64)), clip)


@given(arrays.arrays(np.int16, LENGTHS))
def test_floats_of_integer_scale_are_refused(clip):
    if np.abs(clip.astype(int)).max() <= 1:
        return
    for kind in (np.float32, np.float64):
        with pytest.raises(UsageError, match="full scale") as error:
            to_clip(clip.astype(kind))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int64, bool, complex])
def test_other_types_are_refused(kind):
    with pytest.raises(UsageError, match="int16 or int32"):
        to_clip(np.zeros(10, kind))


def test_overdriven_floats_are_sound():
    assert to_clip(np.array([3.5, -7.25])).tolist() == [3.5, -7.25]
