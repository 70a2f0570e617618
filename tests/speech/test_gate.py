"""The speech gate: 10 ms frames at 1 kHz, so that a frame is 10 samples and a sample 1 ms."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from livemood.speech.gate import (
    GateSettings,
    GateState,
    SpeechEnded,
    SpeechGate,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)

RATE, FRAME = 1_000, 10
VOICE, QUIET = 1.0, 0.0


def gate(position=0, **settings):
    return SpeechGate(GateSettings(**settings), FRAME, RATE, position)


def push(to, *parts):
    """Push (probability, milliseconds) after each other; all events that follow."""
    events = []
    for probability, ms in parts:
        for _ in range(ms // FRAME):
            events += to.push(probability)
    return events


def test_speech_starts_once_enough_voice_was_heard_with_the_sound_just_before_it():
    g = gate(start_s=0.1, pre_roll_s=0.2)
    assert push(g, (QUIET, 500), (VOICE, 90)) == []
    assert not g.is_open
    assert push(g, (VOICE, 10)) == [SpeechStarted(300)]
    assert g.is_open


def test_with_no_start_time_the_first_voiced_frame_opens_the_gate():
    g = gate(start_s=0.0, pre_roll_s=0.0)
    assert push(g, (QUIET, 50), (VOICE, 10)) == [SpeechStarted(50)]


def test_there_is_no_pre_roll_before_the_stream_began():
    assert push(gate(pre_roll_s=0.2), (QUIET, 50), (VOICE, 100)) == [SpeechStarted(0)]
    assert push(gate(position=700, pre_roll_s=0.2), (VOICE, 100)) == [SpeechStarted(700)]


def test_speech_ends_after_the_stop_time_and_keeps_the_hang_over():
    g = gate(stop_s=0.6, hang_over_s=0.2)
    push(g, (VOICE, 1_000))
    assert SpeechEnded(0, 1_200) not in push(g, (QUIET, 590))
    assert push(g, (QUIET, 10)) == [SpeechEnded(0, 1_200)]
    assert not g.is_open


def test_a_pause_is_told_when_quiet_has_outlasted_the_hang_over():
    g = gate(stop_s=0.6, hang_over_s=0.2)
    push(g, (VOICE, 1_000))
    assert push(g, (QUIET, 190)) == []
    assert push(g, (QUIET, 10)) == [SpeechPaused(1_200)]
    assert push(g, (QUIET, 390)) == []
    assert g.is_open


def test_each_quiet_stretch_within_speech_pauses_once_and_speech_goes_on():
    g = gate(stop_s=0.6, hang_over_s=0.2)
    events = push(g, (VOICE, 500), (QUIET, 400), (VOICE, 100), (QUIET, 400), (VOICE, 50))
    assert events == [
        SpeechStarted(0),
        SpeechPaused(700),
        SpeechResumed(900),
        SpeechPaused(1_200),
        SpeechResumed(1_400),
    ]
    assert g.is_open


def test_speech_that_ended_in_a_pause_begins_anew_and_does_not_resume():
    g = gate(stop_s=0.6, hang_over_s=0.2)
    push(g, (VOICE, 500), (QUIET, 600))
    assert push(g, (VOICE, 100), (QUIET, 100), (VOICE, 100)) == [SpeechStarted(900)]
    g.close(3_000)
    push(g, (VOICE, 100), (QUIET, 300))
    g.close(5_000)
    assert push(g, (VOICE, 100), (VOICE, 100)) == [SpeechStarted(5_000)]


def test_a_break_shorter_than_the_hang_over_is_no_pause():
    g = gate(stop_s=0.6, hang_over_s=0.2)
    events = push(g, (VOICE, 500), (QUIET, 190), (VOICE, 500))
    assert events == [SpeechStarted(0)]


def test_breaks_up_to_the_tolerance_do_not_start_the_count_anew():
    g = gate(start_s=0.1, break_s=0.05, pre_roll_s=0.0)
    events = push(g, (QUIET, 100), (VOICE, 50), (QUIET, 50), (VOICE, 50))
    assert events == [SpeechStarted(100)]


def test_a_longer_break_starts_the_count_anew():
    g = gate(start_s=0.1, break_s=0.05, pre_roll_s=0.0)
    assert push(g, (QUIET, 100), (VOICE, 50), (QUIET, 60), (VOICE, 90)) == []
    assert push(g, (VOICE, 10)) == [SpeechStarted(210)]


def test_only_voice_counts_towards_the_start_and_breaks_do_not():
    g = gate(start_s=0.1, break_s=0.05)
    assert push(g, (VOICE, 10), *[(QUIET, 50), (VOICE, 10)] * 8) == []
    assert push(g, (QUIET, 50), (VOICE, 10)) == [SpeechStarted(0)]


def test_it_is_harder_to_open_the_gate_than_to_keep_it_open():
    g = gate(start_threshold=0.5, stop_threshold=0.35)
    assert push(g, (0.49, 1_000)) == []
    assert len(push(g, (0.5, 100))) == 1
    assert push(g, (0.35, 2_000)) == []
    assert isinstance(push(g, (0.34, 1_000))[-1], SpeechEnded)


def test_the_pre_roll_does_not_reach_into_the_speech_before():
    g = gate(stop_s=0.2, hang_over_s=0.2, pre_roll_s=0.2)
    push(g, (VOICE, 500), (QUIET, 200))
    assert push(g, (QUIET, 50), (VOICE, 100)) == [SpeechStarted(700)]


def test_closing_ends_the_speech_where_it_is():
    g = gate(hang_over_s=0.2)
    push(g, (VOICE, 500))
    assert g.close() == [SpeechEnded(0, 500)]
    assert g.close() == []
    g = gate(hang_over_s=0.2)
    push(g, (VOICE, 500), (QUIET, 100))
    assert g.close() == [SpeechEnded(0, 600)]
    g = gate(hang_over_s=0.2)
    push(g, (VOICE, 500), (QUIET, 300))
    assert g.close() == [SpeechEnded(0, 700)]


def test_closing_a_gate_that_is_not_open_says_nothing():
    g = gate()
    push(g, (VOICE, 50))
    assert g.close() == []
    assert g.state is GateState.QUIET


def test_after_closing_at_a_position_nothing_before_it_counts():
    g = gate(start_s=0.1, pre_roll_s=0.2)
    push(g, (VOICE, 500))
    assert g.close(5_000) == [SpeechEnded(0, 500)]
    assert g.position == 5_000
    assert push(g, (VOICE, 90)) == []
    assert push(g, (VOICE, 10)) == [SpeechStarted(5_000)]


def test_voice_from_before_a_hole_does_not_count_after_it():
    g = gate(start_s=0.1, pre_roll_s=0.0)
    push(g, (VOICE, 90))
    g.close(5_000)
    assert push(g, (VOICE, 90)) == []


def test_quiet_is_counted_since_the_last_voiced_frame():
    g = gate()
    push(g, (VOICE, 300), (QUIET, 120))
    assert g.quiet_for == 120


def test_times_do_not_depend_on_the_length_of_the_detectors_frame():
    for frame in (10, 20, 30):
        g = SpeechGate(GateSettings(start_s=0.12, stop_s=0.6), frame, RATE)
        events = []
        for at in range(0, 3_000, frame):
            events += g.push(VOICE if 600 <= at < 1_800 else QUIET)
        assert events == [SpeechStarted(400), SpeechPaused(2_000), SpeechEnded(400, 2_000)]


def test_a_hang_over_longer_than_the_stop_time_is_refused():
    with pytest.raises(ValidationError, match="hang_over_s must not exceed stop_s"):
        GateSettings(hang_over_s=0.7, stop_s=0.6)


SETTINGS = st.builds(
    lambda stop, share, **rest: GateSettings(stop_s=stop, hang_over_s=stop * share, **rest),
    stop=st.floats(0.01, 0.5),
    share=st.floats(0, 1),
    start_s=st.floats(0, 0.2),
    break_s=st.floats(0, 0.1),
    pre_roll_s=st.floats(0, 0.3),
    start_threshold=st.just(0.5),
    stop_threshold=st.just(0.35),
)
RUNS = st.tuples(st.sampled_from([0.0, 0.4, 1.0]), st.integers(1, 30))
DECISIONS = st.lists(RUNS, max_size=40).map(lambda runs: [p for p, n in runs for _ in range(n)])
CLOSINGS = st.dictionaries(st.integers(0, 300), st.none() | st.integers(0, 500), max_size=3)
"""Decision number to where the stream goes on after a hole, in samples from there, or None."""


@settings(deadline=None)
@given(SETTINGS, DECISIONS, CLOSINGS)
def test_any_decisions_give_speech_that_is_ordered_and_holds_all_voice_heard(
    settings, decisions, closings
):
    g = SpeechGate(settings, FRAME, RATE)
    events, heard = [], []
    open_speech, free_from, known, last_voice, paused = None, 0, 0, 0, False
    for number, decision in enumerate([*decisions, None]):
        if number in closings or decision is None:
            hole = closings.get(number)
            new = g.close(None if hole is None else g.position + hole)
        else:
            was_open, begin = g.is_open, g.position
            new = g.push(decision)
            assert g.position == begin + FRAME
            voiced = decision >= (0.35 if was_open else 0.5)
            # Voice that comes back after a pause is told as such, and only then.
            assert (SpeechResumed(begin) in new) == (voiced and was_open and paused)
            if voiced:
                last_voice, paused = g.position, False
                heard.append((begin, g.position))
        for event in new:
            events.append(event)
            if isinstance(event, SpeechStarted):
                assert open_speech is None
                assert free_from <= event.start < g.position
                open_speech, known = event.start, event.start
            elif isinstance(event, SpeechPaused):
                assert open_speech is not None
                assert not paused
                paused = True
                assert event.end == last_voice + round(settings.hang_over_s * RATE)
            elif isinstance(event, SpeechResumed):
                assert open_speech is not None
            else:
                assert event.start == open_speech
                assert last_voice <= event.end <= g.position
                assert event.end - last_voice <= round(settings.hang_over_s * RATE)
                assert known <= event.end
                open_speech, free_from, paused = None, event.end, False
        if (number in closings or decision is None) and closings.get(number) is not None:
            free_from = g.position
        assert g.is_open == (open_speech is not None)
        if g.is_open:
            assert g.speech_start == open_speech
            assert known <= g.speech_known_until <= g.position
            known = g.speech_known_until
            assert g.position - last_voice < round(settings.stop_s * RATE) + FRAME
    spans = [(e.start, e.end) for e in events if isinstance(e, SpeechEnded)]
    assert all(start < end for start, end in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    # No speech ends within a voiced frame. (The pre-roll may begin within one.)
    assert not any(begin < end < over for _, end in spans for begin, over in heard)


@settings(deadline=None)
@given(SETTINGS, DECISIONS)
def test_enough_voice_without_a_break_always_opens_the_gate_and_enough_quiet_closes_it(
    settings, decisions
):
    g = SpeechGate(settings, FRAME, RATE)
    for decision in decisions:
        g.push(decision)
    frames = max(1, -(-round(settings.start_s * RATE) // FRAME))
    for _ in range(frames):
        g.push(VOICE)
    assert g.is_open
    for _ in range(-(-round(settings.stop_s * RATE) // FRAME)):
        g.push(QUIET)
    assert not g.is_open


@given(
    probabilities=st.lists(st.sampled_from((0.0, 0.4, 1.0)), min_size=1, max_size=200),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=200),
)
def test_frames_pushed_together_do_what_they_do_one_by_one(probabilities, sizes):
    together, alone = (gate(start_s=0.05, stop_s=0.3, hang_over_s=0.1) for _ in "ab")
    at = 0
    for size in sizes:
        piece = probabilities[at : at + size]
        at += len(piece)
        if not piece:
            break
        expected = [event for p in piece for event in alone.push(p)]
        if together.push_alike(piece):
            assert not expected
        else:
            assert [event for p in piece for event in together.push(p)] == expected
        assert together.state is alone.state
        assert together.position == alone.position
        assert not together.is_open or together.next_change == alone.next_change


@given(probabilities=st.lists(st.sampled_from((0.0, 1.0)), min_size=1, max_size=300))
def test_a_gate_never_closes_before_it_said_it_could(probabilities):
    g = gate(start_s=0.02, stop_s=0.1, hang_over_s=0.05)
    earliest = 0
    for p in probabilities:
        earliest = max(earliest, g.earliest_end)
        events = g.push(p)
        if any(isinstance(event, SpeechEnded) for event in events):
            assert g.position >= earliest
            earliest = 0
