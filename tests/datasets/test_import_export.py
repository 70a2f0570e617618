"""`livemood data import` and `export`: real corpora, other programs' files, and wrong ones."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile as sf
from data_command import data
from typer.testing import CliRunner

from livemood.cli.main import app
from livemood.datasets.manifest import read_items
from livemood.errors import LivemoodError

FOLDERS = ("audformat", "emobox", "kaldi", "textgrid", "eaf", "audacity", "folders")


@pytest.fixture(scope="module")
def nemo(corpora, tmp_path_factory):
    """A manifest of 60 recordings of nEMO, with their sentences."""
    folder = tmp_path_factory.mktemp("nemo")
    with (corpora / "nemo" / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::75]
    (folder / "audio").mkdir()
    for row in rows:
        shutil.copy(corpora / "nemo" / row["path"], folder / "audio")
    with (folder / "manifest.csv").open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "manifest.csv"


@pytest.mark.corpora
@pytest.mark.parametrize("form", [*FOLDERS, "nkululeko", "label-studio"])
def test_a_corpus_comes_back_from_every_format(form, nemo, tmp_path):
    place = tmp_path / "dataset"
    data("export", nemo, "--to", form, "--out", place)
    said = data("import", place, "--from", form, "--out", tmp_path / "back.csv")
    assert "60 rows of 60 files, 9 speakers" in said
    there, back = (
        sorted(
            (i.path.name, i.speaker, i.label, *sorted(i.columns.items())) for i in read_items(table)
        )
        for table in (nemo, tmp_path / "back.csv")
    )
    assert back == there
    assert "Ucho wykrywa" in (tmp_path / "back.csv").read_text("utf-8")


@pytest.mark.corpora
def test_kept_libraries_read_what_is_written(nemo, tmp_path):
    """Each program's own library, and nothing of ours, finds the labels."""
    import audformat
    from praatio import textgrid
    from pympi import Elan

    items = {item.path.stem: item.label for item in read_items(nemo)}
    for form in ("audformat", "nkululeko", "textgrid", "eaf"):
        data("export", nemo, "--to", form, "--out", tmp_path / form)
    base = audformat.Database.load(str(tmp_path / "audformat"))
    frame = base["emotion"].get()
    files = frame.index.get_level_values("file")
    assert {
        f.rpartition("/")[2][:-5]: x for f, x in zip(files, frame["emotion"], strict=True)
    } == items
    table = audformat.utils.read_csv(str(tmp_path / "nkululeko"))
    assert len(table) == 60
    assert set(table["emotion"]) == set(items.values())
    for stem, label in items.items():
        grid = textgrid.openTextgrid(str(tmp_path / "textgrid" / f"{stem}.TextGrid"), False)
        assert [e.label for e in grid.getTier("label").entries] == [label]
        document = Elan.Eaf(str(tmp_path / "eaf" / f"{stem}.eaf"))
        assert [row[2] for row in document.get_annotation_data_for_tier("label")] == [label]


def test_folds_of_emobox_are_its_tables(sounds, tmp_path):
    (tmp_path / "m.csv").write_text(
        f"path,speaker,label,fold\n{sounds}/one.wav,ann,angry,1\n{sounds}/two.flac,bob,sad,2\n"
    )
    data("export", tmp_path / "m.csv", "--to", "emobox", "--out", tmp_path / "mine")
    test = (tmp_path / "mine" / "fold_1" / "mine_test_fold_1.jsonl").read_text()
    train = (tmp_path / "mine" / "fold_1" / "mine_train_fold_1.jsonl").read_text()
    assert (json.loads(test)["spk"], json.loads(train)["spk"]) == ("ann", "bob")
    (tmp_path / "mine" / "label_map.json").write_text('{"angry": "Angry", "sad": "Sad"}')
    data("import", tmp_path / "mine", "--from", "emobox", "--out", tmp_path / "back.csv")
    found = {
        item.speaker: (item.label, item.columns["fold"])
        for item in read_items(tmp_path / "back.csv")
    }
    assert found == {"ann": ("Angry", "1"), "bob": ("Sad", "2")}


@pytest.mark.corpora
@pytest.mark.parametrize("form", ["label-studio", "textgrid", "eaf"])
def test_what_livemood_read_is_corrected_by_a_person_and_read_back(form, corpora, tmp_path):
    sound, rate = [], 16000
    for name in ("03-01-05-02-01-01-09", "03-01-04-02-02-01-10"):
        sound += [sf.read(corpora / "ravdess" / "audio" / f"{name}.flac")[0], np.zeros(rate)]
    sf.write(tmp_path / "call.wav", np.concatenate(sound), rate)
    said = CliRunner().invoke(
        app, ["analyze", str(tmp_path / "call.wav"), "--format", "jsonl", "--out", str(tmp_path)]
    )
    assert said.exit_code == 0, said.output
    [readings] = tmp_path.glob("*.jsonl")
    data("import", readings, "--from", "readings", "--out", tmp_path / "read.csv")
    place = tmp_path / "work"
    guesses = ["--pre-annotations"] if form == "label-studio" else []
    data("export", tmp_path / "read.csv", "--to", form, "--out", place, *guesses)
    read = read_items(tmp_path / "read.csv")
    assert all(0 < float(item.columns["confidence"]) <= 1 for item in read)
    if form == "label-studio":
        task = json.loads(place.read_text())[0]
        with pytest.raises(LivemoodError, match="nobody has annotated"):
            data("import", place, "--from", form, "--out", tmp_path / "back.csv")
        for region in task["predictions"][0]["result"]:  # the person agrees to all but the label
            region["value"]["labels"] = ["disgust"]
        task["annotations"] = [{"completed_by": 3, "result": task["predictions"][0]["result"]}]
        task["data"]["audio"] = "/data/upload/1/0a1b2c3d-call.wav"
        place.write_text(json.dumps([task]))
        source = place
    else:
        source = place / ("call.TextGrid" if form == "textgrid" else "call.eaf")
        text = source.read_text("utf-8")
        for label in {item.label for item in read}:
            text = text.replace(f'"{label}"', '"disgust"').replace(f">{label}<", ">disgust<")
        source.write_text(text, "utf-8")
    data("import", source, "--from", form, "--sounds", tmp_path, "--out", tmp_path / "back.csv")
    back = read_items(tmp_path / "back.csv")
    assert {item.label for item in back} == {"disgust"}
    assert [(i.start, i.end) for i in back] == [(i.start, i.end) for i in read]
    assert [i.columns for i in back] == [i.columns for i in read]


def test_two_annotators_of_a_task_give_two_rows_and_a_hint(sounds, tmp_path):
    def annotation(by, label):
        value = {"start": 0.5, "end": 1.5, "labels": [label]}
        return {"completed_by": {"id": by}, "result": [{"type": "labels", "value": value}]}

    made = [
        annotation(7, "sad"),
        annotation(8, "angry"),
        annotation(9, "fear") | {"was_cancelled": 1},
    ]
    tasks = [{"data": {"audio": "one.wav", "speaker": "ann"}, "annotations": made}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    said = data(
        "import", tmp_path / "export.json", "--from", "label-studio", "--sounds", sounds,
        "--out", tmp_path / "ratings.csv",
    )  # fmt: skip
    assert "livemood data agree" in said
    with (tmp_path / "ratings.csv").open() as file:
        assert [(r["rater"], r["label"], r["start"]) for r in csv.DictReader(file)] == [
            ("7", "sad", "0.5"),
            ("8", "angry", "0.5"),
        ]


def test_tiers_of_a_stranger_are_read_where_one_says_which(sounds, tmp_path, caplog):
    from praatio import textgrid

    grid = textgrid.Textgrid(0, 2)
    grid.addTier(textgrid.IntervalTier("gefühl", [(0.2, 0.9, "wütend")], 0, 2))
    grid.addTier(textgrid.IntervalTier("speaker", [(0, 1.5, "ann")], 0, 2))
    grid.addTier(textgrid.IntervalTier("words", [(0.2, 0.4, "na"), (0.4, 0.9, "und")], 0, 2))
    grid.save(str(tmp_path / "one.TextGrid"), "short_textgrid", True)
    arguments = ["import", tmp_path / "one.TextGrid", "--from", "textgrid", "--sounds", sounds]
    with pytest.raises(LivemoodError, match=r"which holds the labels.*gefühl, speaker, words"):
        data(*arguments, "--out", tmp_path / "m.csv")
    data(
        *arguments, "--out", tmp_path / "m.csv", "--labels-from", "gefühl", "--map", "wütend=angry"
    )
    [item] = read_items(tmp_path / "m.csv")
    assert (item.speaker, item.label, item.start, item.end) == ("ann", "angry", 0.2, 0.9)
    assert "tiers not used: words" in caplog.text


def test_folders_named_by_label_need_a_speaker(sounds, tmp_path):
    for label, name in (("angry", "ann_1.wav"), ("sad", "bob_1.wav")):
        (tmp_path / "set" / label).mkdir(parents=True)
        shutil.copy(sounds / "one.wav", tmp_path / "set" / label / name)
    (tmp_path / "set" / "sad" / "notes.md").write_text("no sound")
    arguments = ["import", tmp_path / "set", "--from", "folders", "--out", tmp_path / "m.csv"]
    with pytest.raises(LivemoodError, match="nothing says who speaks: give --speaker-from"):
        data(*arguments)
    data(*arguments, "--speaker-from", r"(\w+)_\d")
    assert [(i.speaker, i.label) for i in read_items(tmp_path / "m.csv")] == [
        ("ann", "angry"),
        ("bob", "sad"),
    ]


BAD = {
    "audformat": ("db.yaml", "[1, 2", "cannot be read as a database"),
    "nkululeko": ("t.csv", "file,emotion,start\none.wav,sad,soon\n", "start must be a time"),
    "emobox": ("t.jsonl", '{"wav": "one.wav", "emo": "sad"\n', "line 1 is no JSON"),
    "kaldi": ("wav.scp", "one sox one.wav -t wav - |\n", "the output of a program"),
    "textgrid": ("one.TextGrid", "hello", "is no TextGrid"),
    "eaf": ("one.eaf", "<ANNOTATION", "is no ELAN file"),
    "label-studio": ("t.json", '[{"audio": "one.wav", "label": []}]', "not as JSON-MIN"),
    "audacity": ("one.txt", "0.5\tsad\n", "two times in seconds and a text"),
    "folders": ("t.wav", "x", "is no folder"),
    "readings": ("t.jsonl", '{"type": "emotion"}', "no timeline"),
}


@pytest.mark.parametrize("form", BAD)
def test_a_wrong_file_is_answered_in_one_line(form, sounds, tmp_path):
    name, text, said = BAD[form]
    (tmp_path / name).write_text(text)
    with pytest.raises(LivemoodError, match=said) as caught:
        data("import", tmp_path / name, "--from", form, "--sounds", sounds, "--out", tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value) or str(tmp_path) in str(caught.value)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "word"], "no format is called 'word'"),
        (
            ["--from", "nkululeko", "--speaker-from", "one", "--map", "angry=x"],
            "--map angry: no item",
        ),
        (["--from", "nkululeko", "--labels-from", "mood"], "no 'mood' in it, only emotion"),
        (["--from", "nkululeko"], "nothing says who speaks"),
        (["--from", "nkululeko", "--speaker-from", "("], "is no regular expression"),
        (["--from", "nkululeko", "--speaker-from", "x9"], "matches nothing"),
    ],
)
def test_a_wrong_option_is_answered_in_one_line(arguments, said, sounds, tmp_path):
    (tmp_path / "t.csv").write_text(f"file,emotion\n{sounds}/one.wav,sad\n")
    with pytest.raises(LivemoodError, match=said) as caught:
        data("import", tmp_path / "t.csv", "--out", tmp_path / "m.csv", *arguments)
    assert "\n" not in str(caught.value)


def test_nothing_is_written_over_what_is_there(sounds, tmp_path):
    (tmp_path / "m.csv").write_text(f"path,speaker,label\n{sounds}/one.wav,ann,sad\n")
    with pytest.raises(LivemoodError, match="is not empty"):
        data("export", tmp_path / "m.csv", "--to", "kaldi", "--out", tmp_path)
    with pytest.raises(LivemoodError, match="is a folder: nkululeko is a file"):
        data("export", tmp_path / "m.csv", "--to", "nkululeko", "--out", tmp_path)
    with pytest.raises(LivemoodError, match="come from livemood analyze"):
        data("export", tmp_path / "m.csv", "--to", "readings", "--out", tmp_path / "x")
    (tmp_path / "n.csv").write_text(f"path,speaker,label,file\n{sounds}/one.wav,a,sad,x\n")
    with pytest.raises(LivemoodError, match="needs: rename it"):
        data("export", tmp_path / "n.csv", "--to", "nkululeko", "--out", tmp_path / "x.csv")
