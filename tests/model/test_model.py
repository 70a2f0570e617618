"""The shipped model as a library."""

import numpy as np
import pytest
import soundfile as sf
import soxr

import livemood
from livemood.audio import Span
from livemood.errors import UsageError
from livemood.model import LABELS, load_model


def test_the_default_model_has_the_seven_labels(model):
    assert model.labels == LABELS
    assert model.manifest.precision == "int8"


def test_predict_gives_probabilities_valence_and_arousal(model, clip):
    sound, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    prediction = livemood.load_model("default").predict(sound, rate)
    assert set(prediction.probabilities) == set(LABELS)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.get)
    assert -1 <= prediction.valence <= 1
    assert -1 <= prediction.arousal <= 1
    assert prediction == model.predict(sound, rate)


@pytest.mark.corpora
def test_the_shipped_model_knows_held_out_speakers_better_than_chance(model, clip):
    """Actors 1, 11, 20 and 21, whom it never heard: the first recording of each emotion."""
    codes = {"01": "neutral", "03": "happy", "04": "sad", "05": "angry", "06": "fear"}
    codes |= {"07": "disgust", "08": "surprise"}
    right = []
    for code, label in codes.items():
        for actor in ("01", "11", "20", "21"):
            sound, rate = sf.read(clip(f"03-01-{code}-01-01-01-{actor}"), dtype="float32")
            right.append(model.predict(sound, rate).label == label)
    # Chance is 4 of 28; 12 or more by chance alone has a probability of about 0.0003.
    assert sum(right) >= 12


@pytest.mark.parametrize("rate", [22050, 48000])
def test_the_rate_hardly_matters(model, clip, rate):
    sound, source = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    expected = model.predict(sound, source).probabilities
    heard = model.predict(soxr.resample(sound, source, rate), rate).probabilities
    assert max(abs(expected[x] - heard[x]) for x in expected) < 0.15


@pytest.mark.slow
@pytest.mark.corpora
def test_telephone_bandwidth_leaves_most_readings(model, clip):
    """Half of the bands are lost at 8 kHz, so readings move; most must not turn over."""
    same = []
    for code in ("03", "05", "06"):
        for actor in ("01", "11", "20", "21"):
            sound, rate = sf.read(clip(f"03-01-{code}-02-01-01-{actor}"), dtype="float32")
            narrow = model.predict(soxr.resample(sound, rate, 8000), 8000)
            same.append(narrow.label == model.predict(sound, rate).label)
    # Unrelated readings would agree in about 2 of 12; 6 or more then has a probability of 0.005.
    assert sum(same) >= 6


@pytest.mark.parametrize("seconds", [0.001, 0.3, 1.0, 2.9, 3.1, 20.0])
def test_clips_of_any_length_are_read(model, clip, seconds):
    sound, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    long = np.tile(sound, 8)[: max(1, round(seconds * rate))]
    assert sum(model.predict(long, rate).probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("sound", "rate", "says"),
    [
        (np.zeros((100, 2)), 16000, "mono"),
        (np.zeros(0), 16000, "mono"),
        (np.array([0.1, np.nan]), 16000, "NaN"),
        (np.zeros(100), 0, "rate"),
    ],
)
def test_wrong_sound_is_refused_in_one_line(model, sound, rate, says):
    with pytest.raises(UsageError, match=says) as error:
        model.predict(sound, rate)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_integer_samples_read_as_the_floats_they_stand_for(model, clip, kind):
    sound, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    whole = np.round(sound * -float(np.iinfo(np.int16).min)).astype(np.int16)
    scaled = whole.astype(np.int32) << 16 if kind is np.int32 else whole
    assert model.predict(scaled, rate) == model.predict(whole / np.float32(32768), rate)


def test_floats_of_integer_scale_are_refused(model, clip):
    sound, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    with pytest.raises(UsageError, match="full scale"):
        model.predict(sound * 32768, rate)


T = np.arange(48000) / 16000


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(48000),
        np.full(48000, 0.1),
        0.2 * np.sin(2 * np.pi * 50 * T),
        0.1 * np.sin(2 * np.pi * 425 * T) * (T % 1 < 0.5),
        np.random.default_rng(1).normal(0, 0.05, 48000),
    ],
    ids=["zeros", "constant", "hum", "busy tone", "noise"],
)
def test_sound_without_speech_is_uncertain(model, sound):
    assert model.predict(sound, 16000).label == "uncertain"


def test_less_than_300_ms_of_speech_is_uncertain(model, clip):
    sound, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    loudest = int(np.argmax(np.convolve(sound**2, np.ones(1600), "same")))
    assert model.predict(sound[loudest - 1600 : loudest + 1600], rate).label == "uncertain"
    assert model.predict(sound, rate).label != "uncertain"


@pytest.mark.parametrize(("change", "moves"), [("polarity", 1e-3), ("offset", 0.05)])
def test_polarity_and_offset_hardly_matter(model, clip, change, moves):
    sound, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    changed = -sound if change == "polarity" else sound + np.float32(0.1)
    usual, read = (model.predict(s, rate).probabilities for s in (sound, changed))
    assert max(abs(usual[x] - read[x]) for x in usual) < moves


@pytest.mark.parametrize("frames", [27, 98, 151, 298])
def test_a_window_reads_the_same_alone_or_beside_others(model, frames):
    mels = model.manifest.features.mels
    windows = np.random.default_rng(1).standard_normal((5, frames, mels)).astype(np.float32)
    together = model.classify(list(windows))
    for window, row in zip(windows, together, strict=True):
        assert np.abs(model.classify([window])[0] - row).max() < 1e-3


@pytest.mark.parametrize(("name", "steps", "block"), [("small", 34, 1280), ("default", 33, 3840)])
def test_steps_lie_inside_their_window(name, steps, block):
    grid = load_model(name, "cpu").grid
    for start in (0, 1, 100, 1279, 1280, 1281, 3839, 123_456):
        found = grid.steps(Span(start, start + 48000))
        sound = grid.sound_of(found)
        assert steps <= len(found) <= steps + block // 1280
        assert start <= sound.start < start + block
        assert start + 48000 - block < sound.end <= start + 48000


def test_models_load_by_folder_as_by_name(model):
    from livemood.model import find_model

    assert load_model(find_model("default")).manifest == model.manifest
