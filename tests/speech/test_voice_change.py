"""How a voice differs from its usual."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.speech.pitch import HIGHEST_HZ, LOWEST_HZ, f0, f0_of_windows, span_of
from livemood.speech.voice_change import EVERY, KNOWN_S, WORDS, VoiceObserver

RATE = 16000


def voice(seconds, hz=120.0, level=0.1, syllables_s=4.0, melody=1.0):
    """A made voice: pulses whose pitch moves by `melody` semitones, with syllables."""
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = hz * 2 ** (melody * np.sin(2 * np.pi * 0.7 * t) / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(n * phase) / n for n in range(1, 12))
    envelope = 0.05 + 0.95 * np.sin(np.pi * syllables_s * t) ** 2
    return (level * sound * envelope).astype(np.float32)


def told(observer, sound, neutral=1.0, hop=3840):
    change = None
    for start in range(0, len(sound) // hop * hop, hop):
        change = observer.push(sound[start : start + hop], neutral)
    return change


@pytest.fixture(scope="module")
def usual():
    return voice(40)


@pytest.mark.parametrize(
    ("differently", "word"),
    [
        ({"level": 0.4}, "louder"),
        ({"level": 0.02}, "softer"),
        ({"hz": 180.0}, "higher"),
        ({"hz": 80.0}, "lower"),
        ({"melody": 6.0}, "livelier"),
        ({"syllables_s": 7.0}, "faster"),
        ({"syllables_s": 2.0}, "slower"),
    ],
)
def test_what_a_voice_does_unlike_its_usual_is_told(usual, differently, word):
    observer = VoiceObserver()
    told(observer, usual)
    change = told(observer, voice(4, **differently))
    assert word in change.words


def test_a_voice_that_goes_on_as_usual_is_not_remarked_on(usual):
    observer = VoiceObserver()
    told(observer, usual)
    change = told(observer, voice(5))
    assert change.words == ()
    assert abs(change.level_db) < 1
    assert abs(change.pitch_st) < 1


def test_nothing_is_told_before_the_usual_is_known():
    observer = VoiceObserver()
    assert told(observer, voice(KNOWN_S - 1)) is None
    assert told(observer, voice(10)).usual_s >= KNOWN_S


def test_speech_that_is_not_neutral_hardly_becomes_the_usual():
    """Somebody who shouts from the first second is known later, not sooner."""
    assert told(VoiceObserver(), voice(30), neutral=0.0) is None
    assert told(VoiceObserver(), voice(30), neutral=1.0) is not None


def test_the_difference_does_not_hang_on_the_gain_of_a_microphone(usual):
    loud, quiet = VoiceObserver(), VoiceObserver()
    told(loud, usual)
    told(quiet, usual / 30)
    one, other = told(loud, voice(4, hz=180)), told(quiet, voice(4, hz=180) / 30)
    assert one.words == other.words
    assert one.level_db == pytest.approx(other.level_db, abs=0.05)
    assert one.pitch_st == pytest.approx(other.pitch_st, abs=0.05)


def test_the_end_of_a_speech_does_not_run_into_the_next(usual):
    """What was high before the pause says nothing of who speaks after it."""
    observer = VoiceObserver()
    told(observer, usual)
    told(observer, voice(4, hz=200))
    observer.forget()
    assert "higher" not in told(observer, voice(4)).words


def test_silence_and_noise_have_no_pitch():
    observer = VoiceObserver()
    told(observer, voice(40))
    noise = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    change = told(observer, 0.1 * noise)
    assert change.pitch_st is None
    assert told(observer, np.zeros(4 * RATE, np.float32)).pitch_st is None


@settings(deadline=None, max_examples=6)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_it_does_not_matter_how_the_speech_is_cut(frames):
    """Up to where it is looked at: once a second, at the end of a push."""
    sound = voice(EVERY / RATE * 14)
    whole, cut = VoiceObserver(), VoiceObserver()
    for start in range(0, len(sound), EVERY):
        expected = whole.push(sound[start : start + EVERY])
    for start in range(0, len(sound), EVERY):
        left = sound[start : start + EVERY]
        for count in frames:
            part, left = left[: 160 * count], left[160 * count :]
            if len(part):
                cut.push(part)
        found = cut.push(left) if len(left) else cut.push(left[:0])
    assert found == expected


def test_the_pitch_of_a_low_rate_is_that_of_a_high_one():
    sound = voice(2, hz=200, melody=0)
    fine = np.nanmedian(f0(sound))
    low = sound.astype(float).reshape(-1, 4).mean(axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(low, span_of(4000))[::160]
    coarse = np.nanmedian(f0_of_windows(windows, 4000))
    assert fine == pytest.approx(200, rel=0.01)
    assert coarse == pytest.approx(200, rel=0.01)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(20, 900), st.floats(0, 1))
def test_a_pitch_lies_in_the_range_that_is_looked_for(seed, hz, noise):
    """Also that of a hum below it, whose period is longer than any that is tried."""
    t = np.arange(RATE) / RATE
    rng = np.random.default_rng(seed)
    found = f0((np.sin(2 * np.pi * hz * t) + noise * rng.standard_normal(RATE)).astype(np.float32))
    there = found[np.isfinite(found)]
    assert np.all((there > 0.95 * LOWEST_HZ) & (there < 1.1 * HIGHEST_HZ))


def test_every_word_has_its_opposite():
    assert all(len(set(pair)) == 2 for pair in WORDS.values())
