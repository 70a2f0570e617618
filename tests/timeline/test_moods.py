"""How each voice sounds now, from events."""

import pytest

from livemood.timeline.events import Emotion, Latency, SpeechEnded, SpeechStarted
from livemood.timeline.moods import Moods

BASE = {"session": "s", "time": "2026-01-01T00:00:00Z", "channel": 0}


def reading(ms, label, probability, start):
    shares = {"angry": probability, "neutral": round(1 - probability, 3)}
    return Emotion(
        **BASE,
        start_ms=max(start, ms - 3000),
        end_ms=ms,
        label=label,
        confidence=shares[label],
        probabilities=shares,
        raw_probabilities=shares,
        valence=-probability,
        arousal=0.0,
        latency_ms=Latency(total=3, queue=1, compute=2),
        behind=False,
    )


def speak(moods, start, end, label="angry", probability=0.6):
    moods.push(SpeechStarted(**BASE, start_ms=start, end_ms=start + 200))
    for ms in range(start + 1000, end + 1, 250):
        share = probability(ms) if callable(probability) else probability
        moods.push(reading(ms, label, share, start))


def silence(moods, start, end):
    moods.push(SpeechEnded(**BASE, start_ms=start, end_ms=end))


def test_nothing_is_said_of_whom_nothing_was_read():
    moods = Moods()
    moods.push(SpeechStarted(**BASE, start_ms=0, end_ms=200))
    assert moods.now(2) == (None, None)


def test_a_label_goes_on_over_a_short_pause_and_not_over_a_long_one():
    moods = Moods()
    speak(moods, 0, 8000)
    silence(moods, 0, 8000)
    (mood,) = moods.now(1)
    assert (mood.label, mood.speaking, mood.trend) == ("angry", False, None)
    speak(moods, 10_000, 14_000)
    assert moods.now(1)[0].for_ms == 14_000
    assert moods.now(1)[0].speaking
    silence(moods, 10_000, 14_000)
    speak(moods, 24_000, 30_000)
    assert moods.now(1)[0].for_ms == 6000


@pytest.mark.parametrize(("late", "trend"), [(0.9, "rising"), (0.3, "falling"), (0.62, "steady")])
def test_the_trend_is_that_of_the_label(late, trend):
    moods = Moods()
    speak(moods, 0, 16_000, probability=lambda ms: late if ms > 12_000 else 0.6)
    assert moods.now(1)[0].trend == trend


def test_too_little_has_no_trend_and_memory_is_bounded():
    moods = Moods()
    speak(moods, 0, 4000)
    assert moods.now(1)[0].trend is None
    speak(moods, 0, 3_600_000)
    assert len(moods._voices[0].readings) <= 57
    assert moods.now(1)[0].valence == -0.6
