"""The second part of a session, which is listened to anew, as a part of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.errors import UsageError
from livemood.server.sessions.moving.continuation import Continuation
from livemood.timeline.events import EVENT
from livemood.timeline.recover import Recap, interrupted_end

LABELS = ("happy", "sad")
MODEL = {"name": "m", "version": "1", "precision": "int8", "provider": "cpu", "labels": LABELS}
MODEL |= {"valence_arousal": "derived"}
SETTINGS = {"window_ms": 1500, "hop_ms": 240, "budget_ms": 150, "vad": "webrtc"}
TIME = "2026-01-01T00:00:00.000Z"
READING = {"label": "sad", "confidence": 0.7, "valence": -0.5, "arousal": 0.1, "behind": False}
READING |= {"probabilities": {"happy": 0.3, "sad": 0.7}, "raw_probabilities": {"sad": 1.0}}
READING |= {"latency_ms": {"total": 1, "queue": 0, "compute": 1}}
KINDS = {
    "speech.started": {},
    "emotion": READING,
    "speech.ended": {},
    "gap": {"cause": "source_lost", "samples": 160},
    "level": {"problems": ["quiet"], "speech_db": -50.0, "noise_db": -60.0, "peak_db": -20.0},
    "load": {"behind": True, "latency_ms": 200.0, "superseded": 3, "hop_ms": 480},
    "marker": {"note": "x"},
    "raised": {"rule": "angry", "state": "raised", "number": 1, "reason": "r"},
}


def event(kind, seq, start_ms, end_ms, **fields):
    fields = {"session": "s", "seq": seq, "start_ms": start_ms, "end_ms": end_ms} | fields
    return EVENT.validate_python({"type": kind, "time": TIME, **fields})


def engine(kinds, steps, channels, model=None):
    """What an engine says: numbered from 1, on a clock that begins at 0."""
    about = {"source": "x", "channels": channels, "model": model or MODEL, "settings": SETTINGS}
    events, at, raised = [event("session.started", 1, 0, 0, **about)], 0, 0
    for kind, step in zip(kinds, steps, strict=True):
        fields, channel = dict(KINDS[kind]), len(events) % channels
        if kind == "raised":
            kind, raised, channel = "alert", raised + 1, 0
            fields["number"] = raised
        if kind == "marker":
            channel = None
        events.append(event(kind, len(events) + 1, at, at + step, channel=channel, **fields))
        at += step
    return events


def ended(events):
    """The same with its end."""
    return [*events, interrupted_end(events)]


@st.composite
def engines(draw, channels):
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=25))
    steps = draw(st.lists(st.integers(0, 900), min_size=len(kinds), max_size=len(kinds)))
    return engine(kinds, steps, channels)


def joined(parts, gaps):
    """What a session says that is heard by one server after another."""
    said = list(parts[0])
    for part, gap in zip(parts[1:], gaps, strict=True):
        left = max(each.end_ms for each in said)
        going_on = Continuation(said)
        assert going_on.push(part[0]) is None
        said += going_on.begin(left, left + gap)
        said += [told for each in part[1:] if (told := going_on.push(each))]
        last = ended(part)[-1]
        end = going_on.push(last)
    return said, end


@given(st.data(), st.integers(1, 2), st.lists(st.integers(0, 5000), min_size=1, max_size=3))
def test_parts_become_one_session(data, channels, gaps):
    parts = [data.draw(engines(channels)) for _ in range(len(gaps) + 1)]
    said, end = joined(parts, gaps)
    told = [*said, end]
    assert [each.seq for each in told] == list(range(1, len(told) + 1))
    assert {each.session for each in told} == {"s"}
    assert [each.type for each in told].count("session.started") == 1
    moved = [each for each in said if each.type == "gap" and each.cause == "moved"]
    assert [each.end_ms - each.start_ms for each in moved] == [
        g for g in gaps for _ in range(channels)
    ]
    assert all(each.samples == 16 * (each.end_ms - each.start_ms) for each in moved)
    for before, after in pairwise(said):  # the clock never goes back from one part to the next
        assert after.end_ms >= before.start_ms
    alerts = [each for each in said if each.type == "alert"]
    raised = [each.number for each in alerts if each.state == "raised"]
    assert raised == list(range(1, len(raised) + 1))
    whole = Recap(said[0])
    for each in said[1:]:
        whole.push(each)
    assert end.summary == whole.end("interrupted", end.end_ms).summary
    assert end.end_ms >= max(each.end_ms for each in said)


def test_what_was_up_is_over_where_the_session_goes_on():
    before = engine(["raised", "level", "load"], [100, 100, 100], 1)
    going_on = Continuation(before)
    going_on.push(engine([], [], 1)[0])
    alert, gap, level, load = going_on.begin(400, 900)
    assert (alert.state, alert.number, alert.end_ms) == ("cleared", 1, 900)
    assert (gap.start_ms, gap.end_ms) == (400, 900)
    assert (level.problems, load.behind, load.superseded) == ((), False, 3)
    (more,) = [going_on.push(each) for each in engine(["load"], [10], 1)[1:]]
    assert more.superseded == 6


def test_another_model_is_said_and_other_labels_are_refused():
    before = engine([], [], 1)
    going_on = Continuation(before)
    going_on.push(engine([], [], 1, MODEL | {"version": "2"})[0])
    _, error = going_on.begin(0, 100)
    assert (error.code, error.fatal) == ("model_changed", False)
    assert "m 2 int8" in error.message
    with pytest.raises(UsageError, match="other labels"):
        Continuation(before).push(engine([], [], 1, MODEL | {"labels": ("a",)})[0])


def test_a_session_whose_beginning_is_gone_does_not_go_on():
    with pytest.raises(UsageError, match="beginning"):
        Continuation(engine(["gap"], [1], 1)[1:])
