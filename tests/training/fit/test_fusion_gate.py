"""The gate of late fusion, fitted on made sources of known worth."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")

from livemood.text.experts import gate_weights, product
from livemood.training.fit.gate import fit_gate

EVEN = np.full(7, 1 / 7)


def source(truth, sure, right, draw):
    """Probabilities that are `sure` of a label, which is the true one in a share `right`."""
    said = np.where(draw.random(len(truth)) < right, truth, draw.integers(0, 7, len(truth)))
    out = np.full((len(truth), 7), (1 - sure) / 6)
    out[np.arange(len(truth)), said] = sure
    return out


def right(voice, words, truth, gate):
    said = [
        product([v, w], [EVEN, EVEN], gate_weights(v, w, gate.voice, gate.words)).argmax()
        for v, w in zip(voice, words, strict=True)
    ]
    return (np.array(said) == truth).mean()


def test_a_source_that_only_boasts_is_no_longer_believed():
    """Words that are sure and mostly wrong: the product follows them, the gate does not."""
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 7, 400)
    voice, words = source(truth, 0.5, 0.8, draw), source(truth, 0.9, 0.1, draw)
    gate = fit_gate(voice[:200], words[:200], EVEN, truth[:200])
    held = slice(200, 400)
    plain = np.mean(
        [
            product([v, w], [EVEN, EVEN], [1, 1]).argmax() == t
            for v, w, t in zip(voice[held], words[held], truth[held], strict=True)
        ]
    )
    assert right(voice[held], words[held], truth[held], gate) > plain + 0.3


def test_two_good_sources_together_are_better_than_each():
    draw = np.random.default_rng(2)
    truth = draw.integers(0, 7, 600)
    voice, words = source(truth, 0.6, 0.6, draw), source(truth, 0.6, 0.6, draw)
    gate = fit_gate(voice[:300], words[:300], EVEN, truth[:300])
    alone = max(
        (voice[300:].argmax(1) == truth[300:]).mean(), (words[300:].argmax(1) == truth[300:]).mean()
    )
    assert right(voice[300:], words[300:], truth[300:], gate) >= alone - 0.02
