"""Turns are summed up from events alone."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from livemood.integrations.turns import TurnTracker
from livemood.timeline.events import Emotion, Latency, SpeechStarted


def emotion(end_ms, p_angry=0.8, valence=-0.5, arousal=0.6, channel=0):
    probabilities = {"angry": p_angry, "neutral": 1 - p_angry}
    return Emotion(
        session="s",
        channel=channel,
        start_ms=max(0, end_ms - 1000),
        end_ms=end_ms,
        time="t",
        label="angry",
        confidence=p_angry,
        probabilities=probabilities,
        raw_probabilities=probabilities,
        valence=valence,
        arousal=arousal,
        latency_ms=Latency(total=1, queue=0, compute=1),
        behind=False,
    )


def test_a_turn_is_summed_up_by_how_much_speech_each_reading_adds():
    tracker = TurnTracker()
    tracker.extend([emotion(1000, 0.9), emotion(1250, 0.5), emotion(1500, 0.5)])
    summary = tracker.end_turn()
    assert summary.speech_s == 1.5
    assert summary.label == "angry"
    assert summary.confidence == pytest.approx((0.9 * 1000 + 0.5 * 500) / 1500, abs=1e-4)
    assert sum(summary.probabilities.values()) == pytest.approx(1.0, abs=1e-3)
    assert summary.valence_change is None


def test_what_was_read_counts_for_one_turn_alone():
    tracker = TurnTracker()
    tracker.push(emotion(1000))
    assert tracker.end_turn() is not None
    assert tracker.end_turn() is None


def test_too_little_speech_counts_for_the_next_turn():
    tracker = TurnTracker()
    tracker.push(emotion(200))
    assert tracker.end_turn() is None
    tracker.push(emotion(450))
    assert tracker.end_turn().speech_s == 0.45


def test_change_is_told_against_earlier_turns():
    tracker = TurnTracker()
    for end in range(1000, 6001, 250):
        tracker.push(emotion(end, valence=0.0, arousal=0.1))
    tracker.end_turn()
    tracker.push(emotion(9000, valence=-0.5, arousal=0.6))
    summary = tracker.end_turn()
    assert summary.valence_change == pytest.approx(-0.5)
    assert summary.arousal_change == pytest.approx(0.5)


def test_other_channels_and_other_events_are_passed_over():
    tracker = TurnTracker(channel=1)
    tracker.extend([emotion(1000), SpeechStarted(session="s", channel=1, time="t")])
    assert tracker.end_turn() is None


def test_perception_is_one_group_of_signals():
    tracker = TurnTracker()
    tracker.push(emotion(1000, 0.71, valence=-0.456, arousal=0.344))
    assert tracker.end_turn().perception() == (
        "([emotion angry=0.71, neutral=0.29],[arousal value=0.34],[valence value=-0.46])"
    )


def test_an_uncertain_turn_names_no_emotion():
    tracker = TurnTracker()
    event = emotion(1000).model_copy(
        update={"raw_probabilities": {"angry": 0.35, "sad": 0.33, "neutral": 0.32}}
    )
    tracker.push(event)
    summary = tracker.end_turn()
    assert summary.label == "uncertain"
    assert summary.perception() == "([arousal value=0.60],[valence value=-0.50])"


@given(st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 1), st.booleans()), max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_speech_is_lost_or_counted_twice(steps):
    tracker, now, told = TurnTracker(), 0, 0.0
    read, until = 0, 0
    for passed, p, ends in steps:
        now += passed
        tracker.push(emotion(now, p))
        read += now - max(until, now - 1000, 0)
        until = now
        if ends and (summary := tracker.end_turn()):
            told += summary.speech_s
            assert 0 <= summary.confidence <= 1
    last = tracker.end_turn()
    told += last.speech_s if last else 0.0
    assert told == pytest.approx(read / 1000, abs=0.3)


@given(st.text())
def test_a_message_without_perception_is_headed_and_kept(message):
    assume(not message.startswith("(["))
    tracker = TurnTracker()
    tracker.push(emotion(1000, p_angry=0.9))
    summary = tracker.end_turn()
    assert summary.head(message) == f"{summary.perception()} {message}"


@pytest.mark.parametrize("rest", ["", " Where is my parcel?", "\nTwo\nlines"])
def test_a_message_that_another_reader_headed_keeps_one_group(rest):
    tracker = TurnTracker()
    tracker.push(emotion(1000, p_angry=0.9))
    summary = tracker.end_turn()
    words = "[emotion sad=0.60, neutral=0.20],[sarcasm value=0.04]"
    assert summary.head(f"({words}){rest}") == f"{summary.perception()[:-1]},{words}){rest}"


@pytest.mark.parametrize("message", ["([x]) hello", "([brackets are odd", "(a)", "([a b])c"])
def test_what_only_looks_like_perception_is_a_message(message):
    tracker = TurnTracker()
    tracker.push(emotion(1000, p_angry=0.9))
    summary = tracker.end_turn()
    assert summary.head(message) == f"{summary.perception()} {message}"
