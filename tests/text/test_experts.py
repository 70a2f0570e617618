"""Fusion as arithmetic: what must hold of any product and any gate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.text.experts import gate_inputs, gate_weights, product

EVEN = np.full(4, 0.25)


@st.composite
def distributions(draw):
    parts = draw(st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4))
    return np.array(parts) / sum(parts)


@given(distributions())
def test_one_expert_of_even_priors_is_given_back(own):
    assert product([own], [EVEN], [1.0]) == pytest.approx(own, abs=1e-6)


@given(distributions(), distributions())
def test_an_expert_that_says_only_its_prior_changes_nothing(voice, prior):
    assert product([voice, prior], [EVEN, prior], [1.0, 1.0]) == pytest.approx(voice, abs=1e-6)


@given(distributions(), distributions())
def test_weight_nought_silences_an_expert(voice, words):
    assert product([voice, words], [EVEN, EVEN], [1.0, 0.0]) == pytest.approx(voice, abs=1e-6)


@given(distributions(), distributions(), distributions())
def test_the_order_of_experts_does_not_matter(one, other, prior):
    forth = product([one, other], [EVEN, prior], [1.0, 0.7])
    back = product([other, one], [prior, EVEN], [0.7, 1.0])
    assert forth == pytest.approx(back)
    assert forth.sum() == pytest.approx(1)


@given(distributions())
def test_agreement_makes_surer(own):
    both = product([own, own], [EVEN, EVEN], [1.0, 1.0])
    assert both.argmax() == own.argmax() or np.isclose(own.max(), own[both.argmax()])
    assert both.max() >= own.max() - 1e-9


def test_bayes_rule_is_met():
    """Two independent signs of a hidden label: the product is the posterior."""
    prior = np.array([0.5, 0.3, 0.1, 0.1])
    likelihood = np.array([0.2, 0.1, 0.9, 0.4])
    words = likelihood * prior / (likelihood * prior).sum()
    seen = np.array([0.1, 0.6, 0.2, 0.1])
    voice = seen / seen.sum()  # with even priors
    posterior = seen * likelihood / (seen * likelihood).sum()
    assert product([voice, words], [EVEN, prior], [1.0, 1.0]) == pytest.approx(posterior)


@given(distributions(), distributions())
def test_what_a_gate_sees_lies_between_0_and_1(voice, words):
    inputs = gate_inputs(voice, words)
    assert inputs.shape == (5,)
    assert (inputs >= -1e-9).all()
    assert (inputs <= 1 + 1e-9).all()


def test_a_gate_without_opinion_takes_both_at_their_word():
    voice, words = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.1, 0.7, 0.1, 0.1])
    assert gate_weights(voice, words, [0] * 5, [0] * 5) == (1.0, 1.0)
    voice_weight, words_weight = gate_weights(voice, words, [0] * 5, [-9, 0, 0, 0, 0])
    assert voice_weight == 1.0
    assert words_weight < 0.01
