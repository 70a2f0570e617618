"""Alert rules: what they refuse, and what they say of made-up sessions."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from livemood.timeline.alert_rules import AlertRule, AlertRules
from livemood.timeline.alerts import AlertWatch
from livemood.timeline.events import Emotion, Latency, SpeechEnded, SpeechStarted

HOP = 250


def emotion(end_ms, label="angry", channel=0, confidence=0.8, valence=-0.5, arousal=0.6):
    return Emotion(
        session="s",
        channel=channel,
        seq=1,
        start_ms=max(0, end_ms - 3000),
        end_ms=end_ms,
        time="2026-01-01T00:00:00.000Z",
        label=label,
        confidence=confidence,
        probabilities={label: confidence},
        raw_probabilities={label: confidence},
        valence=valence,
        arousal=arousal,
        latency_ms=Latency(total=1, queue=0, compute=1),
        behind=False,
    )


def started(at, channel=0):
    return SpeechStarted(session="s", channel=channel, start_ms=at, end_ms=at, time="t")


def ended(at, channel=0):
    return SpeechEnded(session="s", channel=channel, start_ms=0, end_ms=at, time="t")


def watch(rule, channels=1, **fields):
    return AlertWatch([AlertRule(name="r", **{**rule, **fields})], channels)


def said(watching, *events):
    return [(a.state, a.channel, a.at_ms) for event in events for a in watching.push(event)]


def readings(first, last, **fields):
    return [emotion(t, **fields) for t in range(first, last + 1, HOP)]


def test_an_alert_is_raised_once_its_label_has_held_and_cleared_when_it_is_over():
    rule = {"labels": ["angry"], "for_s": 20, "clear_after_s": 3, "cool_down_s": 0}
    w = watch(rule)
    assert said(w, *readings(1000, 20_750)) == []
    assert said(w, *readings(21_000, 30_000)) == [("raised", 0, 21_000)]
    assert said(w, *readings(30_250, 33_000, label="neutral")) == []
    assert said(w, *readings(33_250, 40_000, label="neutral")) == [("cleared", 0, 33_250)]


def test_what_it_says_of_the_alert_can_be_read():
    w = watch({"labels": ["angry"], "valence": {"below": -0.2}}, channels=2)
    (alert,) = w.push(emotion(5000, channel=1))
    assert alert.reason == "sounds angry, valence -0.50"
    assert alert.found.model_dump() == {"label": "angry", "valence": -0.5}
    assert (alert.rule, alert.channel, alert.number, alert.since_ms) == ("r", 1, 1, 5000)


def test_a_short_pause_does_not_break_a_run_and_a_long_one_does():
    rule = {"labels": ["angry"], "for_s": 10, "max_pause_s": 5}
    w = watch(rule)
    assert said(w, *readings(1000, 6000)) == []
    assert said(w, *readings(10_000, 10_750)) == []
    assert said(w, *readings(11_000, 11_000)) == [("raised", 0, 11_000)]
    w = watch(rule)
    assert said(w, *readings(1000, 6000)) == []
    assert said(w, *readings(12_000, 21_750)) == []
    assert said(w, *readings(22_000, 22_000)) == [("raised", 0, 22_000)]


def test_a_pause_clears_an_alert_without_a_reading():
    w = watch({"labels": ["angry"], "max_pause_s": 5, "clear_after_s": 3})
    assert said(w, emotion(1000)) == [("raised", 0, 1000)]
    assert w.advance(6000) == []
    assert [a.state for a in w.advance(6500)] == ["cleared"]


def test_channels_are_watched_apart_and_one_can_be_chosen():
    w = watch({"labels": ["angry"]}, channels=2)
    assert said(w, emotion(1000, channel=1), emotion(1250, channel=0)) == [
        ("raised", 1, 1000),
        ("raised", 0, 1250),
    ]
    w = watch({"labels": ["angry"], "channel": 1}, channels=2)
    assert said(w, emotion(1000, channel=0), emotion(1250, channel=1)) == [("raised", 1, 1250)]
    assert said(watch({"labels": ["angry"], "channel": 4}), emotion(1000)) == []


def test_a_rule_is_silent_while_it_cools_down():
    w = watch({"labels": ["angry"], "clear_after_s": 0, "cool_down_s": 10})
    events = [emotion(1000), emotion(2000, "sad"), emotion(3000), emotion(11_000)]
    assert said(w, *events) == [("raised", 0, 1000), ("cleared", 0, 2000), ("raised", 0, 11_000)]


def test_a_limit_once_passed_must_be_passed_back_by_the_margin():
    w = watch({"arousal": {"above": 0.5}, "margin": 0.1, "clear_after_s": 0})
    assert said(w, emotion(1000, arousal=0.55)) == [("raised", 0, 1000)]
    assert said(w, emotion(1250, arousal=0.45)) == []
    assert said(w, emotion(1500, arousal=0.39)) == [("cleared", 0, 1500)]
    assert said(w, emotion(1750, arousal=0.45)) == []


def test_a_share_of_a_window_counts_speech_and_needs_enough_of_it():
    rule = {"labels": ["angry"], "share": 0.5, "within_s": 20, "clear_after_s": 0}
    w = watch(rule)
    assert said(w, *readings(1000, 4000)) == []  # less than 5 s of speech
    w = watch(rule)
    assert said(w, *readings(250, 6000, label="sad"), *readings(6250, 11_750)) == []
    assert said(w, *readings(12_000, 12_250)) == [("raised", 0, 12_000)]
    assert said(w, *readings(12_500, 30_000, label="sad")) == [("cleared", 0, 12_750)]


def test_change_is_measured_against_what_the_voice_said_before():
    w = watch({"valence_change": {"below": -0.3}})
    assert said(w, *readings(250, 9750, valence=-0.6)) == []
    assert said(w, *readings(10_000, 12_000, valence=-0.6)) == []
    w = watch({"valence_change": {"below": -0.3}})
    assert said(w, *readings(250, 12_000, valence=0.2)) == []
    assert said(w, emotion(12_250, valence=-0.3)) == [("raised", 0, 12_250)]


def test_silence_is_noticed_without_an_event_and_ends_when_somebody_speaks():
    w = watch({"silent": True, "for_s": 10, "clear_after_s": 0}, channels=2)
    assert said(w, started(1000, 0), ended(5000, 0), started(5500, 1), ended(8000, 1)) == []
    assert w.advance(17_999) == []
    (alert,) = w.advance(18_000)
    assert (alert.state, alert.channel, alert.since_ms) == ("raised", None, 8000)
    assert said(w, started(20_000)) == [("cleared", None, 20_000)]


def test_one_channel_may_be_silent_while_the_other_speaks():
    w = watch({"silent": True, "channel": 1, "for_s": 10}, channels=2)
    said(w, started(0, 1), ended(2000, 1), started(2500, 0))
    assert [a.since_ms for a in w.advance(12_000)] == [2000]


def test_overtalk_is_two_channels_at_once():
    w = watch({"overtalk": True, "for_s": 2, "clear_after_s": 0}, channels=2)
    assert said(w, started(0, 0), started(1000, 1)) == []
    assert [(a.state, a.since_ms) for a in w.advance(3000)] == [("raised", 1000)]
    assert said(w, ended(4000, 0)) == [("cleared", None, 4000)]


def test_a_label_counts_with_enough_confidence():
    w = watch({"labels": ["angry"], "min_confidence": 0.7})
    assert said(w, emotion(1000, confidence=0.69)) == []
    assert said(w, emotion(1250, confidence=0.7)) == [("raised", 0, 1250)]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4000),
            st.sampled_from(["angry", "sad", "start", "end", "tick"]),
            st.integers(0, 1),
        ),
        max_size=80,
    ),
    st.builds(
        AlertRule,
        name=st.just("r"),
        labels=st.just(frozenset({"angry"})),
        for_s=st.sampled_from([0.0, 1.0, 5.0]),
        max_pause_s=st.sampled_from([0.5, 5.0]),
        clear_after_s=st.sampled_from([0.0, 2.0]),
        cool_down_s=st.sampled_from([0.0, 10.0]),
    )
    | st.just(AlertRule(name="r", silent=True, for_s=2.0))
    | st.just(AlertRule(name="r", overtalk=True, for_s=0.5))
    | st.just(AlertRule(name="r", labels=frozenset({"angry"}), share=0.5, within_s=10)),
)
@settings(max_examples=150, deadline=None)
def test_alerts_alternate_never_come_early_and_keep_their_distance(steps, rule):
    w, now, up, raised_at = AlertWatch([rule], 2), 0, {}, {}
    for passed, what, channel in steps:
        now += passed
        event = {"start": started, "end": ended}.get(what)
        if what == "tick":
            found = w.advance(now)
        elif event:
            found = w.push(event(now, channel))
        else:
            found = w.push(emotion(now, what, channel))
        for alert in found:
            assert alert.at_ms == now
            assert alert.since_ms <= now
            assert up.get(alert.channel, False) == (alert.state == "cleared")
            up[alert.channel] = alert.state == "raised"
            if alert.state == "raised":
                assert now - alert.since_ms >= 1000 * rule.for_s
                before = raised_at.get(alert.channel)
                assert before is None or now - before >= 1000 * rule.cool_down_s
                raised_at[alert.channel] = now


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "give conditions"),
        ({"labels": ["angry"], "silent": True, "for_s": 1}, "give conditions"),
        ({"labels": ["angry"], "share": 0.5, "for_s": 1}, "for_s or share, not both"),
        ({"overtalk": True, "share": 0.5}, "share counts speech"),
        ({"overtalk": True, "channel": 0}, "leave channel out"),
        ({"silent": True}, "silent needs for_s"),
        ({"valence": {}}, "below, above or both"),
        ({"valence": {"below": -0.5, "above": 0.5}}, "above must be less than below"),
        ({"labels": ["angry"], "unknown": 1}, "Extra inputs"),
        ({"valence": {"above": 1}}, "valence lies between -1 and 1: this never holds"),
        ({"arousal": {"below": -1}}, "arousal lies between -1 and 1"),
        ({"arousal_change": {"above": 2}}, "arousal_change lies between -2 and 2"),
        ({"valence": {"above": float("nan")}}, "Input should be"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        AlertRule(name="r", **fields)


def test_all_rules_of_one_session_are_one_set():
    with pytest.raises(ValidationError, match="two rules"):
        AlertRules(alerts=[AlertRule(name="a", labels=["sad"])] * 2)


def test_the_same_rule_is_the_same_text_whatever_the_order_of_its_names():
    """Sets have another order in every process: a client would take it for another rule."""
    names = ["angry", "fear", "sad", "disgust", "happy", "neutral", "surprise"]
    texts = {
        AlertRule(name="r", labels=frozenset(order), purposes=frozenset(order)).model_dump_json()
        for order in (names, names[::-1])
    }
    (text,) = texts
    assert json.loads(text)["labels"] == json.loads(text)["purposes"] == sorted(names)
