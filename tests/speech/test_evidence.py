"""How much of a window is speech."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.audio import Span
from livemood.speech.evidence import SpeechEvidence

FRAME = 320
PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=200)


@given(PROBABILITIES, st.data())
def test_the_share_is_the_mean_of_the_frames_however_they_came(probabilities, data):
    evidence, at = SpeechEvidence(FRAME, 200 * FRAME, position=1000), 0
    while at < len(probabilities):
        size = data.draw(st.integers(1, 50))
        evidence.push(probabilities[at : at + size])
        at += size
    first = data.draw(st.integers(0, len(probabilities) - 1))
    last = data.draw(st.integers(first + 1, len(probabilities)))
    share = evidence.share(Span(1000 + first * FRAME, 1000 + last * FRAME))
    assert share == pytest.approx(sum(probabilities[first:last]) / (last - first))


def test_what_is_no_longer_or_not_yet_known_does_not_count():
    evidence = SpeechEvidence(FRAME, 10 * FRAME)
    evidence.push([1.0] * 100 + [0.5] * 11)
    assert evidence.share(Span(0, 111 * FRAME)) == 0.5
    assert evidence.share(Span(0, 10 * FRAME)) == 0.0
    assert evidence.share(Span(111 * FRAME, 120 * FRAME)) == 0.0
    evidence.restart(200 * FRAME)
    assert evidence.share(Span(100 * FRAME, 200 * FRAME)) == 0.0
    evidence.push([0.25])
    assert evidence.share(Span(100 * FRAME, 201 * FRAME)) == 0.25
