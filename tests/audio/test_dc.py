"""A constant offset is taken out of a stream, whatever its blocks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio import DcBlocker, without_offset

RATE, BLOCK = 16000, 160


def noise(length, seed=1):
    return np.random.default_rng(seed).normal(0, 0.05, length).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 4000), st.lists(st.integers(1, 700), min_size=1, max_size=30))
def test_what_comes_out_does_not_depend_on_the_blocks(length, sizes):
    sound, blocker, parts, at = noise(length) + np.float32(0.1), DcBlocker(RATE), [], 0
    for size in [*sizes, length]:
        parts.append(blocker.push(sound[at : at + size]))
        at += size
    parts.append(blocker.flush())
    out = np.concatenate(parts)
    assert len(out) == length
    assert np.array_equal(out, without_offset(sound, RATE))


def test_after_the_first_block_nothing_is_held_back():
    blocker = DcBlocker(RATE)
    assert len(blocker.push(noise(BLOCK - 1))) == 0
    assert len(blocker.push(noise(1))) == BLOCK
    assert len(blocker.push(noise(7))) == 7


def test_an_offset_goes_and_sound_stays():
    sound = noise(48000)
    out = without_offset(sound + np.float32(0.1), RATE)
    assert abs(out[:BLOCK].mean()) < 1e-3
    assert np.abs(out[8000:] - sound[8000:]).max() < 5e-3


def test_a_new_offset_is_gone_after_some_seconds():
    sound = noise(96000)
    sound[16000:] += 0.2
    assert abs(without_offset(sound, RATE)[-16000:].mean()) < 5e-3


def test_twice_the_sound_comes_out_twice_as_loud():
    sound = noise(16000) + np.float32(0.03)
    assert np.array_equal(without_offset(2 * sound, RATE), 2 * without_offset(sound, RATE))
