"""Sound that is pushed and is none, and sessions that cannot be."""

import threading

import numpy as np
import pytest

import livemood


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": 100}, "sample rate"),
        ({"rate": 16000, "channels": 0}, "channels"),
        ({"rate": 16000, "participants": ["a", "b"]}, "participants"),
        ({"rate": 16000, "vad": "ears"}, "no voice activity detector"),
        ({"rate": 16000, "model": "nothing"}, "no model"),
        ({"rate": 16000, "background": True, "live": False}, "live=False"),
        ({"rate": 16000, "provider": "abacus"}, "provider"),
    ],
)
def test_what_cannot_be_is_refused_at_once(given, message):
    before = threading.active_count()
    with pytest.raises(livemood.LivemoodError, match=message) as refused:
        livemood.Session(**given)
    assert "\n" not in str(refused.value)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.zeros(160), "float64"),
        (np.zeros(160, np.int32), "int32"),
        (np.zeros((160, 2), np.float32), "shape"),
        (np.zeros((1, 2, 3), np.float32), "shape"),
        (b"\0\0", "numpy array"),
        (np.full(160, 9000, np.float32), "divide integer samples"),
    ],
)
def test_other_arrays_are_refused_and_the_session_goes_on(block, message):
    session = livemood.Session(rate=16000)
    with pytest.raises(livemood.UsageError, match=message):
        session.push(block)
    session.push(np.zeros(160, np.float32))
    assert session.finish()[-1].summary[0].duration_ms == 10
    with pytest.raises(livemood.UsageError, match="finished"):
        session.push(np.zeros(160, np.float32))
    assert session.finish() == []


def test_values_that_are_no_numbers_are_a_gap():
    session = livemood.Session(rate=16000)
    block = np.zeros(16000, np.float32)
    block[4000:8000] = np.nan
    events = session.push(block) + session.finish()
    gaps = [e for e in events if e.type == "gap"]
    assert (gaps[0].start_ms, gaps[-1].end_ms) == (250, 500)
    assert {e.cause for e in gaps} == {"not_finite"}


def test_to_iterate_it_has_to_read_in_the_background():
    session = livemood.Session(rate=16000)
    with pytest.raises(livemood.UsageError, match="background=True"):
        next(iter(session))
    session.finish()
