"""The smoother: a filter over labels, then hysteresis."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from livemood.model.labels import UNCERTAIN
from livemood.timeline.smoother import Smoother, SmootherSettings

LABELS = ("neutral", "happy", "sad", "angry")
EVEN = np.full(4, 0.25)
SKEWED = np.array([0.4, 0.3, 0.2, 0.1])


def smoother(priors=EVEN, **settings):
    return Smoother(LABELS, priors, SmootherSettings(**settings))


def reading(label, probability=0.85):
    """A window's probabilities that favour `label`."""
    rest = (1 - probability) / (len(LABELS) - 1)
    return np.array([probability if x == label else rest for x in LABELS])


def probability_of(result, label):
    return result.probabilities[LABELS.index(label)]


def distributions(zeros=True):
    shares = st.floats(0 if zeros else 0.05, 1)
    return (
        st.lists(shares, min_size=4, max_size=4)
        .filter(lambda x: sum(x) > 0.1)
        .map(lambda x: np.array(x) / sum(x))
    )


SECONDS = st.floats(0, 5)
WINDOWS = st.lists(st.tuples(distributions(), SECONDS, SECONDS), min_size=1, max_size=40)


@settings(max_examples=50, deadline=None)
@given(distributions(zeros=False), WINDOWS)
def test_probabilities_sum_to_one_whatever_the_readings(priors, windows):
    s = smoother(priors)
    for raw, elapsed, new in windows:
        out = s.update(raw, elapsed, new)
        assert out.probabilities.sum() == pytest.approx(1)
        assert (out.probabilities >= 0).all()
        assert out.label in (*LABELS, UNCERTAIN)


@settings(max_examples=50, deadline=None)
@given(WINDOWS, st.floats(0.3, 0.6), st.floats(0.5, 1), st.floats(0, 0.3))
def test_the_label_follows_the_rules_of_hysteresis(windows, enter, share, margin):
    leave = enter * share
    s = smoother(enter=enter, leave=leave, margin=margin)
    before = UNCERTAIN
    for raw, elapsed, new in windows:
        out = s.update(raw, elapsed, new)
        p = dict(zip(LABELS, out.probabilities, strict=True))
        if out.label == UNCERTAIN:
            assert before == UNCERTAIN or p[before] < leave
            assert before != UNCERTAIN or max(p.values()) < enter
            assert out.confidence == max(p.values())
        else:
            assert out.confidence == p[out.label]
        if out.label == before != UNCERTAIN:
            assert p[before] >= leave
        elif out.label != UNCERTAIN:
            assert p[out.label] >= enter
            assert before == UNCERTAIN or p[out.label] - p[before] >= margin
        before = out.label


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(LABELS), distributions(zeros=False), st.floats(0.1, 1))
def test_constant_evidence_leads_to_its_label_from_any_start(label, start, hop):
    s = smoother()
    s.update(start, 0.0, 5.0)
    for _ in range(60):
        out = s.update(reading(label), hop, hop)
    assert out.label == label
    assert out.confidence > 0.85


def test_it_begins_uncertain_and_stays_so_without_evidence():
    s = smoother()
    for _ in range(20):
        out = s.update(EVEN, 0.25, 0.25)
        assert out.label == UNCERTAIN
        assert out.probabilities == pytest.approx(EVEN)


def test_evidence_that_only_repeats_the_priors_teaches_nothing():
    s = smoother(SKEWED)
    for _ in range(20):
        out = s.update(SKEWED, 0.25, 0.25)
        assert out.probabilities == pytest.approx(SKEWED)


def test_a_reading_below_its_prior_speaks_against_a_label_though_it_is_the_likeliest():
    before = smoother(SKEWED).update(SKEWED, 0, 0.5)
    after = smoother(SKEWED).update([0.3, 0.25, 0.2, 0.25], 0, 0.5)
    assert probability_of(after, "neutral") < probability_of(before, "neutral")
    assert probability_of(after, "angry") > probability_of(before, "angry")


def windows_until(s, label, hop=0.25):
    for number in range(1, 1_000):
        if s.update(reading(label), hop, hop).label == label:
            return number
    raise AssertionError(f"never became {label}")


def test_the_longer_an_emotion_dwells_the_later_the_label_switches():
    took = []
    for dwell in (0.5, 4.0, 32.0, 256.0):
        s = smoother(dwell_s=dwell)
        for _ in range(100):
            s.update(reading("happy"), 0.25, 0.25)
        took.append(windows_until(s, "angry"))
    assert took == sorted(set(took))


def test_a_single_label_can_have_a_dwell_time_of_its_own():
    took = {}
    for lasting in ("happy", "sad"):
        s = smoother(dwell_s=2.0, dwells_s={"happy": 60.0})
        for _ in range(100):
            s.update(reading(lasting), 0.25, 0.25)
        took[lasting] = windows_until(s, "angry")
    assert took["happy"] > took["sad"]


def test_one_odd_window_does_not_change_the_label():
    s = smoother()
    for _ in range(20):
        s.update(reading("happy"), 0.25, 0.25)
    assert s.update(reading("angry", 0.97), 0.25, 0.25).label == "happy"


def test_windows_that_alternate_do_not_make_the_label_flicker():
    s = smoother()
    for _ in range(20):
        s.update(reading("happy"), 0.25, 0.25)
    labels = [s.update(reading(x, 0.6), 0.25, 0.25).label for x in ("sad", "happy") * 30]
    assert sum(a != b for a, b in pairwise(labels)) <= 1


def test_between_two_emotions_it_abstains():
    s = smoother()
    torn = [0.02, 0.48, 0.02, 0.48]
    assert s.update(torn, 0.25, 0.1).label == UNCERTAIN
    for _ in range(40):
        s.update(reading("happy"), 0.25, 0.25)
    # Nothing tells the three apart, so the label it had is given up and none taken.
    for _ in range(200):
        out = s.update([0.01, 0.33, 0.33, 0.33], 0.25, 0.25)
    assert out.label == UNCERTAIN


@settings(max_examples=50, deadline=None)
@given(distributions(zeros=False), st.sampled_from(LABELS))
def test_a_long_silence_leaves_nothing_but_the_priors(priors, label):
    s = smoother(priors, dwells_s={"sad": 9.0})
    for _ in range(40):
        s.update(reading(label), 0.25, 0.25)
    out = s.update(priors, 10_000.0, 0.25)
    assert out.probabilities == pytest.approx(priors, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(distributions(zeros=False), st.sampled_from(LABELS), st.floats(0, 60), st.floats(0.1, 20))
def test_while_nothing_is_heard_belief_only_moves_towards_the_priors(priors, label, silence, dwell):
    s = smoother(priors, dwell_s=dwell)
    before = s.update(reading(label), 0.0, 1.0).probabilities
    after = s.update(priors, silence, 0.0).probabilities
    low, high = np.minimum(before, priors), np.maximum(before, priors)
    assert (after >= low - 1e-9).all()
    assert (after <= high + 1e-9).all()


@settings(max_examples=50, deadline=None)
@given(distributions(zeros=False), distributions(), st.floats(0.01, 5), st.floats(0.1, 20))
def test_two_half_hops_without_evidence_are_one_whole_hop(priors, raw, hop, dwell):
    whole, halves = smoother(priors, dwell_s=dwell), smoother(priors, dwell_s=dwell)
    for s in (whole, halves):
        s.update(raw, 0.0, 1.0)
    halves.update(priors, hop / 2, hop / 2)
    once = whole.update(priors, hop, hop)
    twice = halves.update(priors, hop / 2, hop / 2)
    assert twice.probabilities == pytest.approx(once.probabilities)


@settings(max_examples=50, deadline=None)
@given(distributions(), st.integers(1, 10))
def test_windows_count_by_the_new_sound_they_bring_and_not_by_their_number(raw, parts):
    once, often = smoother(evidence_s=1.0), smoother(evidence_s=1.0)
    whole = once.update(raw, 0.0, 1.0)
    for _ in range(parts):
        split = often.update(raw, 0.0, 1.0 / parts)
    assert split.probabilities == pytest.approx(whole.probabilities)


def test_a_window_without_new_sound_changes_nothing():
    s = smoother()
    before = s.update(reading("happy"), 0.25, 1.0)
    after = s.update(reading("angry"), 0.0, 0.0)
    assert after.probabilities == pytest.approx(before.probabilities)


def test_one_window_never_counts_as_more_than_one_reading():
    one, more = smoother(evidence_s=1.0), smoother(evidence_s=1.0)
    a, b = one.update(reading("sad"), 0.0, 1.0), more.update(reading("sad"), 0.0, 3.0)
    assert b.probabilities == pytest.approx(a.probabilities)


def test_no_single_reading_rules_a_label_out_for_good():
    s = smoother()
    s.update([0.0, 1.0, 0.0, 0.0], 0.0, 1.0)
    for _ in range(5):
        out = s.update(reading("sad", 0.9), 0.0, 1.0)
    assert out.label == "sad"


def test_a_label_gives_way_only_to_one_that_is_ahead_by_the_margin():
    s = smoother(enter=0.3, leave=0.1, margin=0.3)
    for _ in range(10):
        s.update(reading("happy"), 0.25, 0.25)
    ahead = []
    while (out := s.update(reading("sad", 0.5), 0.05, 0.05)).label == "happy":
        ahead.append(probability_of(out, "sad") - probability_of(out, "happy"))
    assert out.label == "sad"
    assert probability_of(out, "sad") - probability_of(out, "happy") >= 0.3
    assert 0.1 < max(ahead) < 0.3


def test_hours_of_certainty_do_not_make_it_deaf():
    s = smoother()
    for _ in range(5_000):
        s.update([1.0, 0.0, 0.0, 0.0], 0.25, 0.25)
    assert windows_until(s, "angry") < 60


def test_after_a_reset_it_is_as_new():
    used, new = smoother(), smoother()
    for _ in range(10):
        used.update(reading("angry"), 0.25, 0.25)
    used.reset()
    a, b = (
        used.update(reading("happy", 0.5), 0.25, 0.2),
        new.update(reading("happy", 0.5), 0.25, 0.2),
    )
    assert a.label == b.label
    assert a.probabilities == pytest.approx(b.probabilities)


def test_a_reading_handed_out_does_not_change_later():
    s = smoother()
    first = s.update(reading("happy"), 0.25, 0.25)
    kept = first.probabilities.copy()
    s.update(reading("angry"), 5.0, 1.0)
    assert (first.probabilities == kept).all()


@pytest.mark.parametrize("priors", [[0.5, 0.5, 0.0, 0.0], [0.5, 0.5], [0.6, 0.6, -0.1, -0.1]])
def test_priors_that_are_not_one_share_above_zero_for_each_label_are_refused(priors):
    with pytest.raises(ValueError, match="prior above 0"):
        smoother(priors)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"enter": 0.3, "leave": 0.4}, "leave must not exceed enter"),
        ({"dwells_s": {"sad": 0.0}}, "dwell times must be above 0"),
        ({"dwell_s": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, why):
    with pytest.raises(ValidationError, match=why):
        SmootherSettings(**settings)
