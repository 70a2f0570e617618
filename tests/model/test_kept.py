"""What is computed for new steps alone reads as if everything had been computed at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio import Span
from livemood.model.kept import Hop, Kept
from livemood.model.network import LARGEST_BATCH, NEVER

TOLERANCE = 1e-4
FRAMES = 700


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(3).standard_normal((FRAMES, 64)).astype(np.float32)


def read(model, kept, features, first, end):
    """Probabilities of the window of the steps from `first` to `end`."""
    start = kept.turn_to(first, end)
    frames = model.frames_of(Span(start, end), fresh=kept.fresh)
    return model.read([Hop(kept, features[frames.start : frames.end])])[0]


def in_one_go(model, features, first, end):
    """The same with all of the window's steps, and those before it, computed in two goes."""
    kept = model.new_kept()
    if first:
        read(model, kept, features, 0, first)
    return read(model, kept, features, first, end)


@settings(max_examples=30, deadline=None)
@given(hops=st.lists(st.integers(1, 9), min_size=1, max_size=14))
def test_hops_of_any_length_read_as_all_steps_at_once(model, features, hops):
    kept, end = model.new_kept(), 0
    for hop in hops:
        end = min(end + hop, 80)
        first = max(0, end - 35)
        got = read(model, kept, features, first, end)
        expected = in_one_go(model, features, first, end)
        assert np.abs(got - expected).max() < TOLERANCE
        assert got.argmax() == expected.argmax()


def test_a_window_from_the_beginning_reads_as_a_clip(model, features):
    kept = model.new_kept()
    for end in (11, 14, 17, 33):
        got = read(model, kept, features, 0, end)
        clip = features[: model.frames_of(Span(0, end)).end]
        assert np.abs(got - model.classify([clip])[0]).max() < TOLERANCE


def test_frames_are_needed_once_but_for_what_a_kernel_sees(model):
    fresh = model.frames_of(Span(0, 3))
    further = model.frames_of(Span(3, 6), fresh=False)
    assert (fresh.start, fresh.end) == (0, 38)
    assert (further.start, further.end) == (36, 62)


def test_a_window_without_new_steps_reads_as_the_one_before(model, features):
    kept = model.new_kept()
    before = read(model, kept, features, 0, 12)
    assert kept.turn_to(0, 12) == 12
    assert (model.read([Hop(kept, features[:0])])[0] == before).all()


def test_hops_read_together_as_alone(model, features):
    rng = np.random.default_rng(4)
    ends = rng.integers(11, 40, 3 * LARGEST_BATCH)
    together = [model.new_kept() for _ in ends]
    alone = [model.new_kept() for _ in ends]
    for hop in range(3):
        hops = []
        for kept, end in zip(together, ends, strict=True):
            last = int(end) + 3 * hop
            start = kept.turn_to(0, last)
            frames = model.frames_of(Span(start, last), fresh=kept.fresh)
            hops.append(Hop(kept, features[frames.start : frames.end]))
        rows = model.read(hops)
        for kept, end, row in zip(alone, ends, rows, strict=True):
            expected = read(model, kept, features, 0, int(end) + 3 * hop)
            assert np.abs(row - expected).max() < TOLERANCE


def test_a_jump_begins_afresh():
    kept = Kept(4, 10, ())
    assert kept.turn_to(0, 3) == 0
    kept.push(np.ones((3, 4), np.float32), np.zeros(3, np.float32), ())
    assert not kept.fresh
    assert kept.turn_to(1, 5) == 3
    assert (kept.scores > NEVER).sum() == 2, "the step that left the window is left out"
    assert kept.turn_to(9, 12) == 9, "steps in between are missing"
    assert kept.fresh
    assert not kept.state.any()
    assert (kept.scores == NEVER).all()


def test_forgetting_begins_afresh():
    kept = Kept(4, 10, ())
    kept.turn_to(0, 3)
    kept.push(np.ones((3, 4), np.float32), np.zeros(3, np.float32), ())
    kept.forget()
    assert kept.turn_to(3, 6) == 3
    assert kept.fresh
    assert not kept.state.any()
