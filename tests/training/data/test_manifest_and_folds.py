"""Manifests and splits: what they hold, and why wrong ones are refused."""

import csv
import shutil

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("safetensors", reason="needs the extra train")

from livemood.errors import UsageError
from livemood.training.data.cache import SoundCache
from livemood.training.data.clips import read_clip
from livemood.training.data.folds import (
    check_apart,
    check_classes,
    check_folds,
    make_folds,
    validation_speakers,
)
from livemood.training.data.manifest import read_manifest

HEADER = ["path", "speaker", "label", "channel", "start", "end", "valence", "weight", "fold"]
SOUNDS = ("03-01-03-01-01-01-01", "03-01-05-01-01-01-02", "03-01-03-01-02-01-07")
TWIN = "03-01-03-01-02-02-07"  # sounds the same as the last one


@pytest.fixture
def folder(tmp_path, clip):
    for name in (*SOUNDS, TWIN):
        shutil.copy(clip(name), tmp_path / f"{name}.flac")
    return tmp_path


def row(name=SOUNDS[0], speaker="a", label="happy", **more):
    cells = {"path": f"{name}.flac", "speaker": speaker, "label": label, **more}
    return [str(cells.get(column, "")) for column in HEADER]


def write(folder, *rows, header=HEADER):
    with (folder / "m.csv").open("w", newline="") as out:
        csv.writer(out).writerows([header, *rows])
    return folder / "m.csv"


def test_a_manifest_says_all_that_is_known_of_a_clip(folder):
    table = write(folder, row(start=0.5, end=1.5, valence=-0.25, weight=2, fold="one"))
    (clip,) = read_manifest(table, {"happy": "joy"}, ["joy"])
    assert (clip.label, clip.start, clip.end, clip.valence) == ("joy", 0.5, 1.5, -0.25)
    assert (clip.weight, clip.fold, clip.corpus) == (2, "one", folder.name)
    whole, rate = sf.read(clip.path, dtype="float32")
    assert np.array_equal(read_clip(clip, rate), whole[rate // 2 : rate * 3 // 2])


def test_tables_of_corpora_are_manifests(corpora):
    clips = read_manifest(corpora / "ravdess" / "metadata.csv")
    assert len(clips) == 1440
    assert {c.label for c in clips if c.speaker == "ravdess-01"} >= {"calm", "neutral"}
    assert {c.intensity for c in clips} == {"normal", "strong"}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row(), row("missing")], r"row 3: no file .*missing\.flac"),
        ([row(), row(SOUNDS[1], label="bored")], r"row 3: unknown label 'bored'"),
        ([row(), row(SOUNDS[1])[:-1]], r"row 3: 8 columns, but the header has 9"),
        ([row(), [*row(SOUNDS[1]), "x"]], r"row 3: 10 columns"),
        ([row(), row()], r"row 3: the same sound as 2"),
        ([row(), row(SOUNDS[1], speaker="")], r"row 3: no speaker"),
        ([row(valence=1.5)], r"row 2: valence must be a number from -1 to 1, not '1\.5'"),
        ([row(weight="much")], r"row 2: weight must be a number"),
        ([row(weight=0)], r"row 2: the weight must be above 0"),
        ([row(channel=1)], r"row 2: channel 1 of a file that has 1"),
        ([row(start=2, end=1)], r"row 2: from 2 to 1 s is no stretch"),
        ([row(end=99)], r"row 2: from 0 to 99 s"),
        ([], "lists no clip"),
    ],
)
def test_a_wrong_manifest_is_refused_with_row_and_reason(folder, rows, says):
    with pytest.raises(UsageError, match=says) as error:
        read_manifest(write(folder, *rows), {}, ["happy", "angry"])
    assert "\n" not in str(error.value)


def test_columns_that_are_missing_or_twice_are_refused(folder):
    with pytest.raises(UsageError, match="row 1: no column speaker"):
        read_manifest(write(folder, ["x", "y"], header=["path", "label"]))
    with pytest.raises(UsageError, match="row 1: the column label is there twice"):
        read_manifest(write(folder, ["x"] * 4, header=["path", "speaker", "label", "label"]))
    with pytest.raises(UsageError, match="cannot be read"):
        read_manifest(folder / "none.csv")


def test_labels_can_be_left_out(folder):
    table = write(folder, row(), row(SOUNDS[1], label="calm"))
    assert [c.label for c in read_manifest(table, {"calm": "-"}, ["happy"])] == ["happy"]


def test_a_speaker_or_a_sound_on_both_sides_is_refused(folder):
    table = write(folder, row(), row(SOUNDS[1]), row(SOUNDS[2], "b"), row(TWIN, "c"))
    one, two, three, twin = read_manifest(table)
    digest = SoundCache(folder / "cache", 16000).digest
    with pytest.raises(UsageError, match=r"row 3: the speaker a is on both sides, see .*row 2"):
        check_apart([one], [two], digest)
    with pytest.raises(UsageError, match=rf"row 5: the sound of {TWIN}.* see .*row 4"):
        check_apart([three], [twin], digest)
    check_apart([one, two], [three], digest)


def test_a_class_without_a_test_example_is_refused(folder):
    table = write(folder, row(), row(SOUNDS[1], "b"), row(SOUNDS[2], "c", "angry"))
    clips = read_manifest(table)
    with pytest.raises(UsageError, match=r"row 4: the class 'angry' has no test example"):
        check_classes(clips, clips[:1])
    with pytest.raises(UsageError, match="'angry' has no test example"):
        check_folds(make_folds("held-out:a", clips), clips)
    check_folds(make_folds("speaker", clips), clips)


def test_a_speaker_in_two_folds_of_the_manifest_is_refused(folder):
    table = write(folder, row(fold="x"), row(SOUNDS[1], fold="y"))
    with pytest.raises(
        UsageError, match=r"row 3: the speaker a .* fold y here and in x in .*row 2"
    ):
        make_folds("column", read_manifest(table))


@pytest.mark.slow  # reads whole corpora, and looks for each file
def test_every_clip_is_tested_once_and_never_by_one_who_knows_its_speaker(corpora):
    ravdess = read_manifest(corpora / "ravdess" / "metadata.csv")
    nemo = read_manifest(corpora / "nemo" / "metadata.csv")
    wild = read_manifest(corpora / "emospeech-in" / "metadata.csv")
    cases = [
        ("ravdess", ravdess, 6),
        ("speaker", nemo, 9),
        ("group:6", wild, 6),
        ("corpus", ravdess + nemo, 2),
    ]
    for kind, clips, count in cases:
        folds = make_folds(kind, clips)
        assert len(folds) == count
        tested = [c for fold in folds for c in fold.split(clips)[1]]
        assert sorted(c.row for c in tested) == sorted(c.row for c in clips)
        check_folds(folds, clips)


@pytest.mark.slow
def test_ravdess_folds_hold_no_sound_twice(corpora, tmp_path):
    clips = [
        c for c in read_manifest(corpora / "ravdess" / "metadata.csv") if c.speaker > "ravdess-19"
    ]
    digest = SoundCache(tmp_path, 16000).digest
    check_folds(make_folds("held-out:ravdess-20,ravdess-21", clips), clips, digest)


@pytest.mark.parametrize("kind", ["", "fold", "group:1", "group:x", "held-out:", "column"])
def test_folds_that_cannot_be_are_refused(folder, kind):
    with pytest.raises(UsageError):
        make_folds(kind, read_manifest(write(folder, row())))


def test_validation_speakers_are_drawn_by_seed_from_every_corpus(corpora):
    clips = [c for n in ("ravdess", "tess") for c in read_manifest(corpora / n / "metadata.csv")]
    drawn = validation_speakers(clips, 0.2, 3)
    assert len(drawn) == 5
    assert drawn == validation_speakers(clips, 0.2, 3) != validation_speakers(clips, 0.2, 4)
    assert not any(name.startswith("tess") for name in drawn)
