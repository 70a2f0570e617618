"""What lines do to speech, on real speech."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("av", reason="needs the extra train")

from livemood.errors import UsageError
from livemood.speech.bounds import speech_bounds
from livemood.speech.vad import WebRtcVad
from livemood.training.augment.conditions import parse_condition
from livemood.training.augment.degradation import (
    CODECS,
    NoiseBank,
    coded,
    with_losses,
    with_noise,
)
from livemood.training.data.clips import read_clip


@pytest.fixture(scope="module")
def speech(corpora):
    return read_clip(corpora / "ravdess" / "audio" / "03-01-05-01-01-01-02.flac", 16000)


@pytest.mark.parametrize("codec", CODECS)
def test_coded_speech_is_late_by_nothing_and_as_long(speech, codec):
    heard = coded(speech, 16000, codec)
    assert heard.shape == speech.shape
    best = max(range(-40, 41), key=lambda lag: float(np.dot(np.roll(heard, lag), speech)))
    assert abs(best) <= 1
    assert 0.9 < np.corrcoef(heard, speech)[0, 1] < 0.9999


def test_a_telephone_hears_nothing_above_4_khz(speech):
    def high(sound):
        power = np.abs(np.fft.rfft(sound)) ** 2
        return power[len(power) * 5 // 8 :].sum() / power.sum()

    assert high(coded(speech, 16000, "mulaw")) < 0.01 * high(speech)


@given(st.floats(0.0, 0.6), st.floats(1.0, 5.0), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_lost_packets_are_silent_and_all_others_whole(share, burst, seed):
    sound = np.ones(16000 * 60, np.float32)
    out = with_losses(sound, 16000, share, np.random.default_rng(seed), burst)
    packets = out.reshape(-1, 320)
    lost = (packets == 0).all(axis=1)
    assert (lost | (packets == 1).all(axis=1)).all()
    # 3000 packets, in bursts: far from the share only by a chance that there is not.
    assert abs(lost.mean() - share) < 0.15


def test_noise_is_as_loud_as_it_is_said_to_be(speech, corpora):
    noise = NoiseBank(corpora / "esc10", ("5",)).draw(len(speech), np.random.default_rng(0))
    span = speech_bounds(speech, WebRtcVad())
    for snr in (0.0, 10.0):
        added = with_noise(speech, noise, snr) - speech
        ratio = np.mean(speech[span.start : span.end] ** 2) / np.mean(added**2)
        assert abs(10 * np.log10(ratio) - snr) < 0.05


def test_folds_of_noise_are_kept_apart(corpora):
    one, other = (set(NoiseBank(corpora / "esc10", (fold,)).paths()) for fold in "15")
    assert len(one) == len(other) == 80
    assert not one & other
    with pytest.raises(UsageError, match="no noise of fold 9"):
        NoiseBank(corpora / "esc10", ("9",)).paths()
    with pytest.raises(UsageError, match=r"metadata\.csv"):
        NoiseBank(corpora / "none").paths()


def test_a_condition_is_the_same_each_time_and_another_for_each_clip(speech, corpora):
    condition = parse_condition("noise=10+mulaw+loss=5", NoiseBank(corpora / "esc10", ("5",)))
    once = condition(speech, "a")
    assert np.array_equal(once, condition(speech, "a"))
    assert not np.array_equal(once, condition(speech, "b"))
    assert not np.array_equal(once, condition(speech, "a", seed=2))
    assert parse_condition("clean")(speech, "a") is speech


@pytest.mark.parametrize(
    "text", ["", "phone", "noise", "noise=x", "loss=101", "mulaw=3", "noise=10"]
)
def test_wrong_conditions_are_refused(text):
    with pytest.raises(UsageError, match="condition"):
        parse_condition(text)
