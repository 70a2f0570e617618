"""`livemood data check` finds what was planted and what is known of real corpora, and no more."""

import csv
import json
import sys
import types

import numpy as np
import pytest
from data_command import data
from synthetic_speech import dataset

from livemood.errors import LivemoodError


def checked(manifest, out, *arguments):
    """What the check found, as its JSON; without a map of embeddings, if nothing is said of it."""
    if "--embeddings" not in arguments:
        arguments = (*arguments, "--embeddings", "none")
    data("check", manifest, "--out", out, *arguments)
    found = json.loads((out / "quality.json").read_text())
    page = (out / "quality.html").read_text("utf-8")
    assert all(escaped(f["text"]) in page for f in found["findings"])
    return found


def escaped(text):
    return text.replace("&", "&amp;").replace("'", "&#x27;")


def leaks(found):
    return {f["what"] for f in found["findings"] if f["kind"] == "leak"}


def subset(table, out, keep):
    """A manifest of the rows that `keep` takes, with absolute paths."""
    with table.open(encoding="utf-8") as file:
        rows = [row for n, row in enumerate(csv.DictReader(file)) if keep(n, row)]
    for row in rows:
        row["path"] = table.parent / row["path"]
    with out.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return out


@pytest.mark.slow
def test_nothing_is_found_in_a_clean_set(tmp_path):
    found = checked(dataset(tmp_path / "set"), tmp_path / "out", "--strict")
    assert found["findings"] == []
    assert "embeddings" not in found
    assert {p["what"] for p in found["probes"]} == {
        "level", "noise floor", "duration", "codec", "silence", "sentence", "speaker",
    }  # fmt: skip
    assert found["labels"] == {"angry": 30, "happy": 30, "sad": 30}


@pytest.mark.slow
def test_what_the_model_hears_is_mapped_the_same_each_time_and_voices_lie_together(tmp_path):
    pytest.importorskip("umap", reason="needs the extra data")
    from livemood.datasets.quality.embeddings import mapped

    table = dataset(tmp_path / "set", speakers=4)
    one = checked(table, tmp_path / "a", "--embeddings", "default")["embeddings"]
    assert one["model"].startswith("default ")
    assert len(one["umap"]) == len(one["pca"]) == len(one["speaker"]) == len(one["label"]) == 60
    page = (tmp_path / "a" / "quality.html").read_text("utf-8")
    assert "UMAP by label" in page
    assert "UMAP by speaker" in page
    assert "UMAP by corpus" not in page  # the table names none
    # The made labels sound alike; the made voices do not.
    assert of_same_name(one["umap"], one["speaker"]) > 0.6
    assert of_same_name(one["umap"], one["label"]) < 0.5
    values = np.random.default_rng(1).normal(size=(40, 12))
    assert mapped(values) == mapped(values)
    assert mapped(values)["umap"] != mapped(values, seed=2)["umap"]


def of_same_name(places, names):
    """How often an item's nearest neighbour on a map has the same name."""
    at, names = np.array(places), np.array(names)
    apart = np.square(at[:, None] - at).sum(-1) + 1e9 * np.eye(len(at))
    return float(np.mean(names[apart.argmin(1)] == names))


@pytest.mark.slow
def test_a_planted_leak_of_the_duration_is_found_and_no_other(tmp_path):
    with pytest.raises(LivemoodError, match="things were found"):
        data("check", dataset(tmp_path / "set", long="sad"), "--out", tmp_path / "out", "--strict")
    found = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert "duration" in leaks(found)
    assert leaks(found) <= {"duration", "silence"}


@pytest.mark.slow
def test_a_planted_leak_of_the_codec_is_found_and_no_other(tmp_path):
    found = checked(dataset(tmp_path / "set", telephone="happy"), tmp_path / "out")
    assert "codec" in leaks(found)
    assert leaks(found) <= {"codec", "noise floor"}  # half of the noise went with the band


@pytest.mark.corpora
@pytest.mark.slow
def test_the_level_of_ased_tells_its_label(corpora, tmp_path):
    found = checked(corpora / "ased" / "metadata.csv", tmp_path / "out", "--most", "300")
    assert {"level", "duration"} <= leaks(found)  # it is mostly a sentence an emotion


@pytest.mark.corpora
@pytest.mark.slow
def test_the_sentence_of_tess_tells_nothing(corpora, tmp_path):
    found = checked(corpora / "tess" / "metadata.csv", tmp_path / "out", "--most", "300")
    [sentence] = [p for p in found["probes"] if p["what"] == "sentence"]
    assert not sentence["leaks"]
    assert sentence["uar"] < 0.2
    assert leaks(found) == set()


@pytest.mark.slow
@pytest.mark.corpora
def test_the_two_equal_recordings_of_ravdess_are_found(corpora, tmp_path):
    pair = ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07")
    few = subset(
        corpora / "ravdess" / "metadata.csv",
        tmp_path / "few.csv",
        lambda n, row: row["emotion"] in ("happy", "sad", "angry") and (
            "-07." in row["path"] or n % 60 == 0
        ),
    )  # fmt: skip
    found = checked(few, tmp_path / "out", "--embeddings", "default")
    assert len(found["embeddings"]["umap"]) == found["items"]
    assert set(found["embeddings"]["corpus"]) == {"ravdess"}
    assert [sorted(d["items"]) for d in found["duplicates"]] == [[f"{name}.flac" for name in pair]]
    assert any(pair[0] in f["text"] for f in found["findings"] if f["kind"] == "duplicate")


def test_an_unknown_model_and_a_lack_of_umap_are_told_before_the_work(
    sounds, tmp_path, monkeypatch
):
    (tmp_path / "m.csv").write_text(f"path,speaker,label\n{sounds}/one.wav,ann,sad\n")
    given = (tmp_path / "m.csv", "--out", tmp_path / "out", "--embeddings")
    monkeypatch.setitem(sys.modules, "umap", None)  # as if it were not installed
    with pytest.raises(LivemoodError, match=r"livemood\[data\]"):
        data("check", *given, "default")
    monkeypatch.setitem(sys.modules, "umap", types.ModuleType("umap"))
    with pytest.raises(LivemoodError, match="no model is called 'lagre'"):
        data("check", *given, "lagre")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("one.wav,ann,sad\n", "two labels with 5 items or more"),
        ("none.wav,ann,sad\n", "no file"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(rows, said, sounds, tmp_path):
    (tmp_path / "m.csv").write_text(f"path,speaker,label\n{sounds}/{rows}")
    with pytest.raises(LivemoodError, match=said) as caught:
        data("check", tmp_path / "m.csv", "--out", tmp_path / "out")
    assert "\n" not in str(caught.value)
