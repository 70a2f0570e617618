"""Segments and summaries of stretches of read speech."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.timeline.summary import RECENT_MS, Segmenter, Stretch, Summarizer

LABELS = ("neutral", "happy", "sad")


def stretch(start, end, label, *, follows=True, confidence=0.8, valence=0.1, arousal=-0.2):
    sure = np.array([0.8 if x == label else 0.1 for x in LABELS])
    probabilities = sure / sure.sum()
    return Stretch(start, end, label, confidence, probabilities, valence, arousal, follows)


def summarizer(*stretches):
    s = Summarizer(LABELS)
    for x in stretches:
        s.push(x)
    return s


@st.composite
def speeches(draw):
    """Speeches after each other, each a list of stretches that follow on."""
    out, at = [], 0
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.integers(0, 20_000))
        parts = []
        for _ in range(draw(st.integers(1, 8))):
            end = at + draw(st.integers(1, 8_000))
            numbers = [draw(st.floats(-1, 1)) for _ in range(2)]
            label = draw(st.sampled_from((*LABELS, "uncertain")))
            parts.append(
                stretch(
                    at,
                    end,
                    label,
                    follows=bool(parts),
                    confidence=draw(st.floats(0, 1)),
                    valence=numbers[0],
                    arousal=numbers[1],
                )
            )
            at = end
        out.append(parts)
    return out


def test_stretches_of_one_label_are_one_segment_that_closes_with_another_label():
    s = Segmenter()
    assert s.push(stretch(100, 1_200, "sad")) is None
    assert s.push(stretch(1_200, 1_450, "sad")) is None
    closed = s.push(stretch(1_450, 1_700, "happy"))
    assert (closed.start_ms, closed.end_ms, closed.label) == (100, 1_450, "sad")
    last = s.close()
    assert (last.start_ms, last.end_ms, last.label) == (1_450, 1_700, "happy")
    assert s.close() is None


def test_a_segments_numbers_are_means_by_time():
    s = Segmenter()
    s.push(stretch(0, 3_000, "sad", confidence=0.5, valence=-0.4, arousal=0.0))
    s.push(stretch(3_000, 4_000, "sad", confidence=0.9, valence=0.0, arousal=0.8))
    closed = s.close()
    assert (closed.confidence, closed.valence, closed.arousal) == (0.6, -0.3, 0.2)


def test_a_segment_does_not_outlive_the_speech_it_was_in():
    s = Segmenter()
    s.push(stretch(0, 1_000, "sad"))
    s.close()
    s.push(stretch(5_000, 6_000, "sad", follows=False))
    closed = s.close()
    assert (closed.start_ms, closed.end_ms) == (5_000, 6_000)


@settings(max_examples=40, deadline=None)
@given(speeches())
def test_segments_cover_each_speech_without_a_hole_and_change_label_at_each_seam(talks):
    s = Segmenter()
    for parts in talks:
        closed = [x for x in map(s.push, parts) if x] + [s.close()]
        assert closed[0].start_ms == parts[0].start_ms
        assert closed[-1].end_ms == parts[-1].end_ms
        for a, b in pairwise(closed):
            assert a.end_ms == b.start_ms
            assert a.label != b.label
        for segment in closed:
            inside = [p for p in parts if segment.start_ms <= p.start_ms < segment.end_ms]
            assert {p.label for p in inside} == {segment.label}
            weights = [p.end_ms - p.start_ms for p in inside]
            for name in ("confidence", "valence", "arousal"):
                mean = np.average([getattr(p, name) for p in inside], weights=weights)
                assert getattr(segment, name) == pytest.approx(mean, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(speeches())
def test_shares_are_those_of_the_time_read_and_sum_to_one(talks):
    parts = [p for talk in talks for p in talk]
    end = parts[-1].end_ms if parts else 0
    summary = summarizer(*parts).session(end)
    read = sum(p.end_ms - p.start_ms for p in parts)
    assert (summary.start_ms, summary.end_ms, summary.read_ms) == (0, end, read)
    if not parts:
        assert summary.shares == {}
        return
    assert sum(summary.shares.values()) == pytest.approx(1, abs=5e-4)
    for label in (*LABELS, "uncertain"):
        ms = sum(p.end_ms - p.start_ms for p in parts if p.label == label)
        assert summary.shares.get(label, 0.0) == pytest.approx(ms / read, abs=1e-4)
        assert (label in summary.shares) == (ms > 0)
    assert summary.shares[summary.dominant] == max(summary.shares.values())
    assert sum(summary.mean_probabilities.values()) == pytest.approx(1, abs=5e-4)


@settings(max_examples=40, deadline=None)
@given(speeches(), st.integers(0, 40_000))
def test_the_last_thirty_seconds_count_each_stretch_with_its_part_inside(talks, later):
    parts = [p for talk in talks for p in talk]
    now = (parts[-1].end_ms if parts else 0) + later
    summary = summarizer(*parts).recent(now)
    start = max(0, now - 30_000)
    inside = {
        label: sum(max(0, p.end_ms - max(p.start_ms, start)) for p in parts if p.label == label)
        for label in (*LABELS, "uncertain")
    }
    read = sum(inside.values())
    assert (summary.start_ms, summary.end_ms, summary.read_ms) == (start, now, read)
    for label, ms in inside.items():
        assert summary.shares.get(label, 0.0) == pytest.approx(ms / max(1, read), abs=1e-4)
        assert (label in summary.shares) == (ms > 0)


def test_a_stretch_that_began_earlier_counts_in_the_last_thirty_seconds_with_its_part():
    s = summarizer(
        stretch(0, 20_000, "sad", valence=-1.0), stretch(20_000, 40_000, "happy", valence=1.0)
    )
    recent = s.recent(40_000)
    assert recent.read_ms == 30_000
    assert recent.shares == {"happy": 0.6667, "sad": 0.3333}
    assert recent.valence == pytest.approx(1 / 3, abs=1e-4)
    assert s.recent(55_000).shares == {"happy": 1.0}


def test_transitions_count_only_within_a_speech():
    s = summarizer(
        stretch(0, 1_000, "sad", follows=False),
        stretch(1_000, 2_000, "happy"),
        stretch(2_000, 3_000, "happy"),
        stretch(9_000, 10_000, "sad", follows=False),
        stretch(10_000, 11_000, "happy"),
        stretch(11_000, 12_000, "neutral"),
    )
    found = {(t.from_, t.to): t.count for t in s.session(12_000).transitions}
    assert found == {("sad", "happy"): 2, ("happy", "neutral"): 1}


@settings(max_examples=40, deadline=None)
@given(speeches())
def test_the_number_of_transitions_is_the_number_of_seams_within_speeches(talks):
    summary = summarizer(*[p for talk in talks for p in talk]).session(0)
    seams = sum(a.label != b.label for talk in talks for a, b in pairwise(talk))
    assert sum(t.count for t in summary.transitions) == seams
    assert all(t.from_ != t.to for t in summary.transitions)


def test_transitions_of_the_last_thirty_seconds_are_those_that_happened_in_them():
    s = summarizer(
        stretch(0, 10_000, "sad", follows=False),
        stretch(10_000, 30_000, "happy"),
        stretch(30_000, 55_000, "neutral"),
    )
    recent = s.recent(55_000).transitions
    assert [(t.from_, t.to, t.count) for t in recent] == [("happy", "neutral", 1)]


def test_without_speech_there_is_no_dominant_label_and_no_mean():
    empty = summarizer().session(5_000)
    assert (empty.read_ms, empty.dominant, empty.valence, empty.arousal) == (0, None, None, None)
    assert empty.shares == {}
    assert empty.mean_probabilities == {}
    assert empty.transitions == ()
    long_ago = summarizer(stretch(0, 1_000, "sad", follows=False)).recent(40_000)
    assert (long_ago.read_ms, long_ago.dominant, long_ago.shares) == (0, None, {})


def test_the_dominant_label_is_the_one_with_the_largest_share():
    s = summarizer(
        stretch(0, 1_000, "sad"), stretch(1_000, 4_000, "happy"), stretch(4_000, 6_000, "sad")
    )
    assert s.session(6_000).dominant in ("sad", "happy")
    s.push(stretch(6_000, 6_100, "sad"))
    assert s.session(6_100).dominant == "sad"


def size_after(made, seconds, label):
    for number in range(4 * seconds):
        made.push(stretch(250 * number, 250 * (number + 1), label(number)))
    return len(pickle.dumps(made))


def test_a_summary_takes_no_more_memory_after_hours():
    def label(number):
        return LABELS[number % 3]

    minute, hours = (
        size_after(Summarizer(LABELS), 60, label),
        size_after(Summarizer(LABELS), 7_200, label),
    )
    assert hours < 1.1 * minute


def test_a_segment_that_lasts_for_hours_takes_no_more_memory():
    def label(_):
        return "sad"

    minute, hours = size_after(Segmenter(), 60, label), size_after(Segmenter(), 7_200, label)
    assert hours < 1.1 * minute


def test_the_recent_summary_spans_thirty_seconds():
    assert RECENT_MS == 30_000
