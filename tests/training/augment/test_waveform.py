"""Changes of sound, each on its own and together, on real speech."""

import random

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("audiomentations", reason="needs the extra augment")

from pydantic import ValidationError

from livemood.training.augment.degradation import NoiseBank
from livemood.training.augment.waveform import Augmenter
from livemood.training.data.clips import read_clip
from livemood.training.data.manifest import read_manifest
from livemood.training.recipe.waveform import KINDS, WaveformChange

LENGTHENS = {"time_stretch", "speed"}


@pytest.fixture(scope="module")
def speech(corpora):
    return read_clip(corpora / "ravdess" / "audio" / "03-01-05-01-01-01-02.flac", 16000)


@pytest.fixture(scope="module")
def make(corpora):
    others = read_manifest(corpora / "ravdess" / "metadata.csv")[:5]
    bank = NoiseBank(corpora / "esc10", ("1", "2"))
    return lambda *parts: Augmenter(parts, bank, others)


@pytest.mark.parametrize("kind", KINDS)
def test_each_changes_speech_the_same_way_for_a_seed(kind, make, speech):
    augment = make(WaveformChange(kind=kind, p=1.0))
    once, other = augment(speech, (1, 2)), augment(speech, (1, 3))
    assert once.dtype == np.float32
    assert once.ndim == 1
    assert np.isfinite(once).all()
    assert np.array_equal(once, augment(speech, (1, 2)))
    assert not (len(once) == len(speech) and np.allclose(once, speech, atol=1e-5))
    if kind not in ("reverse", "telephone"):
        assert not (len(once) == len(other) and np.array_equal(once, other))
    assert (len(once) == len(speech)) or kind in LENGTHENS


def test_all_together_and_none_at_all(make, speech):
    everything = make(*(WaveformChange(kind=kind, p=1.0) for kind in KINDS))
    out = everything(speech, (5,))
    assert np.isfinite(out).all()
    assert 0.5 < len(out) / len(speech) < 2
    nothing = make(*(WaveformChange(kind=kind, p=0.0) for kind in KINDS))
    assert np.array_equal(nothing(speech, (5,)), speech)


def test_how_often_is_what_the_recipe_says(make, speech):
    augment = make(WaveformChange(kind="reverse", p=0.3))
    short = speech[16000:17600]
    changed = sum(not np.array_equal(augment(short, (n,)), short) for n in range(400))
    assert 80 < changed < 160  # 120 are expected, with a deviation of 9


def test_nobody_elses_random_numbers_are_touched(make, speech):
    random.seed(1)
    expected = random.random()
    random.seed(1)
    make(WaveformChange(kind="pitch_shift", p=1.0))(speech, (1,))
    assert random.random() == expected


def test_a_frequency_shift_moves_a_tone():
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    part = WaveformChange(kind="frequency_shift", p=1.0, low=100, high=100)
    shifted = Augmenter([part])(tone, (1,))
    assert abs(int(np.abs(np.fft.rfft(shifted)).argmax()) - 540) <= 1


@pytest.mark.parametrize(
    "wrong", [{"kind": "x"}, {"kind": "gain", "low": 5, "high": 1}, {"kind": "losses", "high": 99}]
)
def test_wrong_changes_are_refused(wrong):
    with pytest.raises(ValidationError):
        WaveformChange(**wrong)
