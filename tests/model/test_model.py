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


@pytest.mark.parametrize("frames", [22, 98, 151, 298])
def test_a_window_reads_the_same_alone_or_beside_others(model, frames):
    windows = np.random.default_rng(1).standard_normal((5, frames, 64)).astype(np.float32)
    together = model.classify(list(windows))
    for window, row in zip(windows, together, strict=True):
        assert np.abs(model.classify([window])[0] - row).max() < 1e-3


def test_steps_lie_inside_their_window(model):
    for start in (0, 1, 100, 1279, 1280, 1281, 123_456):
        steps = model.grid.steps(Span(start, start + 48000))
        sound = model.grid.sound_of(steps)
        assert 34 <= len(steps) <= 35
        assert start <= sound.start < start + 8 * 160
        assert start + 48000 - 8 * 160 < sound.end <= start + 48000


def test_models_load_by_folder_as_by_name(model):
    from livemood.model import find_model

    assert load_model(find_model("default")).manifest == model.manifest
