"""The windower, at 1 kHz: a sample is 1 ms."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from livemood.audio.block import Span
from livemood.speech.windows import Windower, WindowSettings

RATE = 1_000


def windower(**settings):
    return Windower(WindowSettings(**settings), RATE)


def spans(windows):
    return [(w.start, w.end) for w in windows]


def test_windows_end_on_a_grid_counted_from_the_first_sample_of_the_stream():
    w = windower(length_s=3.0, hop_s=0.25, first_s=1.0)
    w.open(10_110)
    assert [end for _, end in spans(w.advance(12_300))] == [11_250, 11_500, 11_750, 12_000, 12_250]


def test_windows_grow_from_the_first_to_the_full_length_and_then_slide():
    w = windower(length_s=3.0, hop_s=1.0, first_s=1.0)
    w.open(500)
    assert spans(w.advance(6_000)) == [
        (500, 2_000),
        (500, 3_000),
        (1_000, 4_000),
        (2_000, 5_000),
        (3_000, 6_000),
    ]


def test_a_window_comes_as_soon_as_its_sound_is_known_and_only_once():
    w = windower(hop_s=0.25, first_s=1.0)
    w.open(0)
    assert w.advance(999) == []
    assert spans(w.advance(1_000)) == [(0, 1_000)]
    assert w.advance(1_000) == []
    assert w.advance(1_249) == []
    assert spans(w.advance(1_250)) == [(0, 1_250)]


def test_one_more_window_ends_where_speech_pauses():
    w = windower(length_s=3.0, hop_s=0.25, first_s=1.0)
    w.open(0)
    w.advance(4_100)
    assert spans(w.pause(4_100)) == [(1_100, 4_100)]
    assert w.pause(4_100) == []


def test_a_pause_on_the_grid_does_not_repeat_the_window_that_ends_there():
    w = windower(hop_s=0.25, first_s=1.0)
    w.open(0)
    assert spans(w.advance(1_500))[-1] == (0, 1_500)
    assert w.pause(1_500) == []


def test_speech_that_goes_on_after_a_pause_has_its_next_window_on_the_grid():
    w = windower(length_s=3.0, hop_s=0.25, first_s=1.0)
    w.open(0)
    w.advance(1_600)
    w.pause(1_600)
    assert spans(w.advance(2_000)) == [(0, 1_750), (0, 2_000)]


def test_no_window_ends_in_a_pause_that_turned_out_to_be_none():
    w = windower(length_s=3.0, hop_s=0.25, first_s=1.0)
    w.open(0)
    w.advance(1_600)
    assert spans(w.pause(1_600)) == [(0, 1_600)]
    w.resume(2_130)
    assert spans(w.advance(2_600)) == [(0, 2_250), (0, 2_500)]
    assert spans(w.pause(2_600)) == [(0, 2_600)]


@settings(deadline=None)
@given(st.integers(1, 3_000), st.integers(1, 600), st.integers(1, 3_000))
def test_speech_that_goes_on_after_a_pause_misses_only_windows_that_end_in_it(before, quiet, after):
    w, through = windower(hop_s=0.25), windower(hop_s=0.25)
    paused, resumed, end = 5_000 + before, 5_000 + before + quiet, 5_000 + before + quiet + after
    w.open(5_000)
    found = w.advance(paused) + w.pause(paused)
    w.resume(resumed)
    found += w.advance(end) + w.pause(end)
    through.open(5_000)
    whole = through.advance(end) + through.pause(end)
    expected = [x for x in whole if not paused <= x.end <= resumed]
    assert [x for x in found if x.end != paused] == expected
    assert [x.end for x in found].count(paused) == 1


def test_a_short_exclamation_is_read_with_the_sound_before_it():
    w = windower(hop_s=0.25, first_s=1.0)
    w.open(5_100)
    assert w.advance(5_640) == []
    assert spans(w.pause(5_640)) == [(4_640, 5_640)]


def test_a_short_exclamation_that_ends_on_the_grid_is_read_too():
    w = windower(hop_s=0.25, first_s=1.0)
    w.open(5_100)
    assert w.advance(5_750) == []
    assert spans(w.pause(5_750)) == [(4_750, 5_750)]


@settings(deadline=None)
@given(
    start=st.integers(1_000, 3_000),
    length=st.integers(1, 999),
    cuts=st.lists(st.integers(0, 999), max_size=5),
    stretch=st.sampled_from([1, 2, 4, 8]),
)
def test_every_short_speech_gets_exactly_one_window_wherever_it_ends(start, length, cuts, stretch):
    w = windower(length_s=3.0, hop_s=0.25, first_s=1.0)
    w.stretch = stretch
    w.open(start)
    end = start + length
    found = [x for cut in sorted(cuts) for x in w.advance(min(end, start + cut))]
    found += w.advance(end) + w.pause(end) + w.pause(end)
    assert found == [Span(end - 1_000, end)]


def test_a_window_does_not_reach_back_before_the_stream_began():
    w = windower(hop_s=0.25, first_s=1.0)
    w.open(0)
    assert w.pause(990) == []
    w = windower(hop_s=0.25, first_s=1.0)
    w.open(300)
    assert spans(w.pause(1_000)) == [(0, 1_000)]


def test_a_window_does_not_reach_back_over_lost_sound():
    w = windower(hop_s=0.25, first_s=1.0)
    w.restart(7_000)
    w.open(7_200)
    assert w.pause(7_900) == []
    w.open(8_100)
    assert spans(w.pause(8_300)) == [(7_300, 8_300)]


def test_after_a_restart_windows_hold_nothing_from_before_it():
    w = windower(length_s=3.0, hop_s=0.25, first_s=1.0)
    w.open(0)
    w.advance(5_000)
    w.restart(9_100)
    w.open(9_100)
    assert spans(w.advance(10_500)) == [(9_100, 10_250), (9_100, 10_500)]


def test_a_stretched_hop_leaves_out_windows_and_stays_on_the_grid():
    w = windower(length_s=3.0, hop_s=0.25, first_s=1.0)
    w.open(0)
    w.advance(2_000)
    w.stretch = 4
    assert [end for _, end in spans(w.advance(5_100))] == [3_000, 4_000, 5_000]
    w.stretch = 1
    assert [end for _, end in spans(w.advance(5_600))] == [5_250, 5_500]


def test_the_full_length_is_told_in_samples():
    assert windower(length_s=2.5).length == 2_500


def test_a_first_window_longer_than_the_full_one_is_refused():
    with pytest.raises(ValidationError, match="cannot be longer"):
        WindowSettings(first_s=2.0, length_s=1.0)


SETTINGS = st.builds(
    lambda first, more, hop: WindowSettings(
        length_s=(first + more) / RATE, hop_s=hop / RATE, first_s=first / RATE
    ),
    first=st.integers(1, 1_500),
    more=st.integers(0, 2_000),
    hop=st.integers(20, 1_500),
)
SPEECHES = st.lists(st.tuples(st.integers(0, 1_500), st.integers(1, 5_000)), min_size=1, max_size=5)
"""Quiet before, and length, of one stretch of speech after the other."""


def laid_out(speeches):
    at = 0
    for quiet, length in speeches:
        yield at + quiet, at + quiet + length
        at += quiet + length


@settings(deadline=None)
@given(
    SETTINGS, SPEECHES, st.lists(st.integers(0, 40_000), max_size=30), st.sampled_from([1, 2, 8])
)
def test_windows_do_not_depend_on_how_the_sound_arrives(settings, speeches, cuts, stretch):
    whole, cut = Windower(settings, RATE), Windower(settings, RATE)
    whole.stretch = cut.stretch = stretch
    for start, end in laid_out(speeches):
        at_once, by_and_by = [], []
        whole.open(start)
        at_once += whole.advance(end) + whole.pause(end)
        cut.open(start)
        for until in sorted(c for c in cuts if start <= c <= end):
            by_and_by += cut.advance(until)
        by_and_by += cut.advance(end) + cut.pause(end)
        assert by_and_by == at_once


@settings(deadline=None)
@given(SETTINGS, SPEECHES, st.sampled_from([1, 2, 4, 8]))
def test_each_speech_has_all_windows_of_the_grid_and_one_at_its_end(settings, speeches, stretch):
    w = Windower(settings, RATE)
    w.stretch = stretch
    first, full = round(settings.first_s * RATE), round(settings.length_s * RATE)
    hop = round(settings.hop_s * RATE) * stretch
    for start, end in laid_out(speeches):
        w.open(start)
        windows = w.advance(end) + w.pause(end)
        ends = {e for e in range(0, end + 1, hop) if e - start >= first}
        reaches = end - max(first, min(full, end - start))
        expected = sorted(ends | ({end} if reaches >= 0 else set()))
        assert [x.end for x in windows] == expected
        for x in windows:
            assert first <= len(x) <= full
            assert x.start >= start or len(x) == first
            assert len(x) == max(first, min(full, x.end - start))
