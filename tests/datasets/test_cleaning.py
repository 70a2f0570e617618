"""`livemood data clean`: what it changes, what it leaves out, and what it keeps."""

import csv
import json

import numpy as np
import pytest
import soundfile as sf
from data_command import data
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_speech import RATE, utterance

from livemood.datasets.cleaning import steps
from livemood.errors import LivemoodError, UsageError

RNG = np.random.default_rng(3)


def write(folder, sounds, rate=RATE):
    """A manifest in `folder` with a row for each sound, and a column that must be kept."""
    with (folder / "manifest.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "start", "end", "speaker", "label", "text"])
        for n, sound in enumerate(sounds):
            sf.write(folder / f"{n}.wav", sound, rate, subtype="FLOAT")
            writer.writerow([f"{n}.wav", "", "", f"s{n}", "sad", f"sentence, {n}"])
    return folder / "manifest.csv"


def read(out):
    with (out / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    record = json.loads((out / "cleaned.json").read_text())
    return rows, record


@pytest.fixture(scope="module")
def voice():
    """Two seconds of a made voice, with half a second of near silence on either side."""
    near_silence = 1e-4 * RNG.standard_normal(RATE // 2)
    return np.concatenate((near_silence, utterance(RNG, 140, 2.0), near_silence)).astype(np.float32)


def test_faulty_items_are_left_out_with_the_reason_and_the_rest_is_kept_whole(tmp_path, voice):
    loud = np.clip(200 * voice, -1, 1)
    sounds = [voice, 1e-5 * voice, voice[:2000], voice, loud, 0.5 * voice]
    manifest = write(tmp_path, sounds)
    said = data("clean", manifest, "--out", tmp_path / "out")
    rows, record = read(tmp_path / "out")
    assert [(d["row"], d["why"]) for d in record["dropped"]] == [
        (2, "silent"),
        (3, "short"),
        (4, "duplicate"),
        (5, "clipped"),
    ]
    assert record["dropped"][2]["of_row"] == 1
    assert "2 of 6 items" in said
    assert [(r["speaker"], r["text"]) for r in rows] == [
        ("s0", "sentence, 0"),
        ("s5", "sentence, 5"),
    ]
    for row, sound in zip(rows, (voice, 0.5 * voice), strict=True):
        written, rate = sf.read(tmp_path / "out" / row["path"], dtype="float32")
        assert rate == RATE
        assert np.allclose(written, sound, atol=2**-22)


def test_stretches_and_channels_become_files_of_their_own(tmp_path, voice):
    both = np.stack([0.3 * np.roll(voice, 999), voice], axis=1)
    sf.write(tmp_path / "call.wav", both, RATE, subtype="FLOAT")
    table = "path,start,end,channel,speaker,label\ncall.wav,0.5,2.25,1,anna,sad\n"
    (tmp_path / "manifest.csv").write_text(table)
    data("clean", tmp_path / "manifest.csv", "--out", tmp_path / "out", "--rate", "8000")
    (row,), _ = read(tmp_path / "out")
    written, rate = sf.read(tmp_path / "out" / row["path"], dtype="float32")
    assert (rate, len(written)) == (8000, 14_000)
    assert set(row) == {"path", "speaker", "label"}
    spectrum = np.abs(np.fft.rfft(voice[RATE // 2 : RATE * 9 // 4]))[:100]
    found = np.abs(np.fft.rfft(written))[:100]
    assert np.corrcoef(spectrum, found)[0, 1] > 0.99


@pytest.mark.slow
def test_options_do_what_they_say(tmp_path, voice):
    manifest = write(tmp_path, [0.2 * voice, np.clip(6 * voice, -0.5, 0.5)])
    out = tmp_path / "out"
    options = ("--trim", "--loudness", "-23", "--denoise", "--declip")
    data("clean", manifest, "--out", out, *options)
    rows, record = read(out)
    assert record["options"]["lufs"] == -23
    assert record["seconds_after"] < record["seconds_before"] - 0.6
    levels = [20 * np.log10(np.std(sf.read(out / row["path"])[0])) for row in rows]
    assert abs(levels[0] - levels[1]) < 6, "14 dB of it were the gain"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--drop", "ugly"), "no fault is called 'ugly'"),
        (("--trim", "--rate", "8000"), "speech is found at 16000 Hz"),
    ],
)
def test_wrong_options_are_refused_in_one_line(tmp_path, voice, arguments, why):
    manifest = write(tmp_path, [voice])
    with pytest.raises(UsageError, match=why) as refused:
        data("clean", manifest, "--out", tmp_path / "out", *arguments)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_and_a_dataset_of_faults_are_refused(tmp_path, voice):
    manifest = write(tmp_path, [1e-6 * voice])
    with pytest.raises(LivemoodError, match="is not empty: name a new folder"):
        data("clean", manifest, "--out", tmp_path)
    with pytest.raises(LivemoodError, match="there is nothing to write"):
        data("clean", manifest, "--out", tmp_path / "out")


def test_real_recordings_come_through(tmp_path, corpora):
    with (corpora / "ravdess" / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))[:4]
    lines = [f"{corpora}/ravdess/{r['path']},{r['speaker']},{r['emotion']}\n" for r in rows]
    (tmp_path / "manifest.csv").write_text("path,speaker,label\n" + "".join(lines))
    data("clean", tmp_path / "manifest.csv", "--out", tmp_path / "out", "--trim", "--denoise")
    found, record = read(tmp_path / "out")
    assert len(found) == 4
    assert 0.3 < record["seconds_after"] / record["seconds_before"] < 0.8, "silence at the ends"


def test_a_clipped_sine_is_guessed_nearer_to_what_it_was():
    t = np.arange(RATE) / RATE
    whole = (0.9 * np.sin(2 * np.pi * 150 * t)).astype(np.float32)
    cut = np.clip(whole, -0.6, 0.6)
    guess = steps.declip(cut)
    error = [np.sqrt(np.mean((x - whole) ** 2)) for x in (cut, guess)]
    assert error[1] < error[0] / 4


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1, 1, width=32), min_size=0, max_size=400))
def test_no_step_breaks_on_any_sound(values):
    sound = np.array(values, np.float32)
    for changed in (
        steps.declip(sound),
        steps.trim(sound, RATE),
        steps.normalise(sound, RATE, -23.0),
        steps.denoise(sound, RATE),
    ):
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max(initial=0) <= 1


def test_only_the_faults_that_are_named_count_whatever_else_is_wrong(tmp_path, voice):
    loud = np.clip(200 * voice, -1, 1)
    manifest = write(tmp_path, [loud[12_000:15_000], loud, loud, voice, voice])
    data("clean", manifest, "--out", tmp_path / "out", "--drop", "clipped")
    rows, record = read(tmp_path / "out")
    assert [d["row"] for d in record["dropped"]] == [1, 2, 3]
    assert [r["speaker"] for r in rows] == ["s3", "s4"]


def test_the_same_sound_under_two_labels_is_told(tmp_path, voice):
    manifest = write(tmp_path, [voice, voice])
    manifest.write_text(manifest.read_text().replace("s1,sad", "s1,angry"))
    said = data("clean", manifest, "--out", tmp_path / "out")
    assert "the same sound under another label: row 2" in said
    (dropped,) = read(tmp_path / "out")[1]["dropped"]
    assert (dropped["label"], dropped["of_row"], dropped["of_label"]) == ("angry", 1, "sad")


def test_sound_that_is_not_clipped_is_left_as_it_is(voice):
    assert np.array_equal(steps.declip(voice), voice)
    full = voice / np.abs(voice).max()
    assert np.array_equal(steps.declip(full), full)
