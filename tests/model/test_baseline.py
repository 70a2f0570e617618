"""A voice's baseline: what moves it, how far, and what is saved of it."""

import json
import stat
from functools import cache
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import soundfile as sf
import soxr

from livemood.audio import Span
from livemood.errors import FileError, ModelError, UsageError
from livemood.model.baseline import VoiceBaseline
from livemood.model.manifest import BaselineSettings, read_manifest, write_manifest
from livemood.model.network.pooling import Speakers
from livemood.model.registry import load_model

SPEAKERS = Speakers(np.array([1.0, -2.0], "f4"), np.array([0.5, 2.0], "f4"))
RATE = 16000
DEMO = Path(__file__).resolve().parents[2] / "src" / "livemood" / "assets" / "demo.opus"


def voice(**given):
    return VoiceBaseline(BaselineSettings(**given), SPEAKERS)


def window(*off):
    """Statistics of a window that lies so many deviations off the training speakers' mean."""
    return SPEAKERS.mean + np.array(off, "f4") * SPEAKERS.deviation


def test_a_voice_never_heard_shifts_nothing():
    assert voice().shift() is None


def test_the_shift_grows_with_what_is_known():
    one, shifts = voice(shrink_s=10.0), []
    for _ in range(4):
        one.push(window(1, -1), 10.0, neutral=1.0)
        shifts.append(one.shift() / SPEAKERS.deviation)
    for seconds, shift in zip((10, 20, 30, 40), shifts, strict=True):
        assert shift == pytest.approx(np.array([1, -1]) * seconds / (seconds + 10), rel=1e-5)


def test_one_that_grows_waits_and_one_that_is_enrolled_counts_at_once():
    one = voice(shrink_s=4.0, wait_s=4.0)
    one.push(window(1, -1), 4.0, neutral=1.0)
    assert (one.seconds, one.share, one.shift()) == (4.0, 0.0, None)
    one.push(window(1, -1), 4.0, neutral=1.0)
    assert one.share == 0.5
    assert one.shift() == pytest.approx(np.array([0.5, -0.5]) * SPEAKERS.deviation)
    one.enroll()
    assert one.share == pytest.approx(8 / 12)
    assert one.shift() == pytest.approx(np.array([8, -8]) / 12 * SPEAKERS.deviation)
    saved = voice(shrink_s=4.0, wait_s=4.0)
    saved.set(np.array([1.0, 0.0]), 4.0)
    assert saved.share == 0.5


def test_what_sounds_neutral_counts_most():
    one = voice(least_weight=0.1)
    one.push(window(1, 0), 5.0, neutral=1.0)
    one.push(window(-1, 0), 5.0, neutral=0.0)
    assert one.mean[0] == pytest.approx((5.0 - 0.5) / 5.5)
    assert one.seconds == pytest.approx(5.5)


def test_what_is_no_speech_does_not_count():
    one = voice()
    one.push(window(3, 3), 5.0, neutral=1.0, not_speech=1.0)
    assert one.seconds == 0
    assert one.shift() is None


def test_one_window_and_one_session_can_do_only_so_much():
    one = voice(most=3.0, most_moved=1.5)
    one.push(window(0, 0), 1.0, neutral=1.0)
    one.push(window(1000, 0), 1.0, neutral=1.0)
    assert one.mean[0] == pytest.approx(1.5)
    for _ in range(100):
        one.push(window(1000, -1000), 10.0, neutral=1.0)
    assert np.abs(one.mean).max() <= 1.5
    one.set(np.array([1.0, 0.0]), 30.0)
    for _ in range(100):
        one.push(window(1000, 0), 10.0, neutral=1.0)
    assert one.mean[0] == pytest.approx(2.5)


def test_old_speech_slowly_makes_room():
    one = voice(longest_s=20.0, most_moved=10.0)
    for _ in range(10):
        one.push(window(1, 0), 10.0, neutral=1.0)
    assert one.seconds == 20
    for _ in range(10):
        one.push(window(-1, 0), 10.0, neutral=1.0)
    assert one.mean[0] < -0.9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    import torch
    from small_encoder import Encoder, make

    out = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(3)
    encoder = Encoder()
    make(out, encoder)
    return out


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder, "cpu")


@cache
def demo():
    """The demo's two synthetic voices as one, at 16 kHz."""
    sound, rate = sf.read(DEMO, dtype="float32")
    return soxr.resample(sound.mean(axis=1), rate, RATE)


def speech(seconds, seed):
    return demo()[5 * seed * RATE :][: round(seconds * RATE)]


def test_a_model_that_never_learnt_what_is_no_speech_says_nothing_of_it(folder, model, tmp_path):
    """Its network has the output all the same. What it says is chance, and took away baselines."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"not_speech": None}), "utf-8")
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    unsure = load_model(tmp_path, "cpu")
    clip = speech(3, 1)
    assert model.predict(clip, RATE).not_speech is not None
    assert unsure.predict(clip, RATE).not_speech is None
    told, silent = model.baseline(), unsure.baseline()
    told.hear(speech(20, 2), RATE)
    silent.hear(speech(20, 2), RATE)
    assert silent.seconds > told.seconds


def test_a_baseline_changes_readings_and_predicting_does_not_change_it(model):
    clip, known = speech(3, 1), model.baseline()
    assert known.seconds == 0
    plain = model.predict(clip, RATE)
    assert model.predict(clip, RATE, baseline=known).probabilities == plain.probabilities
    known.hear(speech(20, 2), RATE)
    assert 0.5 < known.seconds < 21
    before = known.voice.mean.copy()
    related = model.predict(clip, RATE, baseline=known)
    changed = [abs(related.probabilities[x] - plain.probabilities[x]) for x in plain.probabilities]
    assert max(changed) > 0.01
    assert np.array_equal(known.voice.mean, before)


def test_what_is_saved_is_read_back(model, tmp_path):
    known = model.baseline()
    known.hear(speech(10, 2), RATE)
    path = tmp_path / "me.baseline"
    known.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size < 4000
    again = model.baseline(path)
    assert again.seconds == pytest.approx(known.seconds, abs=0.001)
    assert again.voice.mean == pytest.approx(known.voice.mean, abs=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == ["me.baseline"]


def test_a_model_without_baselines_says_so():
    with pytest.raises(UsageError, match="uses no baselines"):
        load_model("small", "cpu").baseline()


def test_another_models_baseline_is_refused(model, tmp_path):
    known = model.baseline()
    text = json.loads(known.to_json()) | {"sha256": "0" * 64, "model": "other\nlines"}
    path = tmp_path / "other.baseline"
    path.write_text(json.dumps(text))
    with pytest.raises(ModelError, match="other lines") as error:
        model.baseline(path)
    assert "\n" not in str(error.value)
    assert "livemood enroll" in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "livemood.baseline/2"},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"mean": "AAAA"},
        {"mean": "no base64!"},
        {"mean": "AADAfw=="},
        {"colour": "blue"},
    ],
)
def test_a_damaged_baseline_is_refused_in_one_line(model, tmp_path, change):
    path = tmp_path / "damaged.baseline"
    path.write_text(json.dumps(json.loads(model.baseline().to_json()) | change))
    with pytest.raises(FileError, match="damaged") as error:
        model.baseline(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_or_cannot_be_written_is_one_line(model, tmp_path):
    with pytest.raises(FileError, match="cannot read"):
        model.baseline(tmp_path / "nothing")
    with pytest.raises(FileError, match="cannot write"):
        model.baseline().save(tmp_path / "no" / "folder")


def test_what_is_added_for_an_unknown_voice_fades_as_it_becomes_known(folder, model, tmp_path):
    manifest = read_manifest(folder)
    added = (4.0, *[0.0] * (len(manifest.labels) - 1))
    moved = manifest.baseline.model_copy(update={"unknown": added})
    other = copytree(folder, tmp_path / "moved")
    write_manifest(manifest.model_copy(update={"baseline": moved}), other)
    biased, clip = load_model(other, "cpu"), speech(3, 1)

    def odds(of, known=None):
        p = of.predict(clip, RATE, baseline=known).probabilities
        first, second = list(p)[:2]
        return np.log(p[first] / p[second])

    assert odds(biased) - odds(model) == pytest.approx(4.0, abs=0.05)
    known = model.baseline()
    known.hear(speech(20, 2), RATE)
    same = biased.baseline().from_json(known.to_json())
    left = 4.0 * (1 - known.voice.share)
    assert 0 < left < 3.8
    assert odds(biased, same) - odds(model, known) == pytest.approx(left, abs=0.05)


def test_short_windows_of_a_stream_do_not_move_it(folder, tmp_path):
    manifest = read_manifest(folder)
    moved = manifest.baseline.model_copy(update={"least_window_s": 2.0, "wait_s": 60.0})
    other = copytree(folder, tmp_path / "moved")
    write_manifest(manifest.model_copy(update={"baseline": moved}), other)
    model, sound = load_model(other, "cpu"), speech(6, 1)
    known = model.new_baseline()
    state, hop = model.new_state(known), model.grid.block_samples
    rested = {}
    for blocks in range(5, 20):
        window = Span(max(0, blocks * hop - 3 * RATE), blocks * hop)
        request = model.request(state, window, lambda s: sound[max(0, s.start) : s.end])
        (reading,) = model.read([request])
        rested[blocks] = known.seconds
        assert reading.baseline_s == 0.0  # it waits
    assert rested[8] == 0.0
    assert 0.0 < rested[12] < rested[16]


def test_a_manifest_must_say_of_every_label_what_is_added(folder, tmp_path):
    other = copytree(folder, tmp_path / "short")
    told = json.loads((other / "manifest.json").read_text())
    told["baseline"]["unknown"] = [1.0, 2.0]
    (other / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match=r"baseline\.unknown must give each label its value"):
        load_model(other, "cpu")
