"""An encoder is finetuned by fold, and a small network learns from its soft labels."""

import csv
import json
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

from livemood.cli.main import app as run  # noqa: E402
from livemood.errors import ModelError, UsageError  # noqa: E402
from livemood.training.data.clips import Clip  # noqa: E402
from livemood.training.data.dataset import read_unlabelled  # noqa: E402
from livemood.training.data.folds import make_folds  # noqa: E402
from livemood.training.data.manifest import read_manifest  # noqa: E402
from livemood.training.data.predictions import read_soft_labels, write_soft_labels  # noqa: E402
from livemood.training.fit.trainer import TrainingState  # noqa: E402
from livemood.training.pretrained.registry import encoder_names, first_encoder, open_encoder  # noqa: E402

LABELS = ["neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise"]
RECIPE = f"""
name = "tuned"
seed = 5
labels = {json.dumps(LABELS)}

[[corpora]]
name = "few"
licence = "CC BY-NC-SA 4.0"

[network]
pretrained = "efficientat-mn04"

[augment]
copies = 2

[distill]
unlabelled = ["spoken"]
unlabelled_share = 0.5

[fit]
epochs = 3
batch_size = 8
"""
PUPIL = """
name = "pupil"
seed = 5
labels = LABELS

[[corpora]]
name = "few"
licence = "CC BY-NC-SA 4.0"

[network]
channels = 4
hidden = 8
recurrent = 4
step_projection = 6

[distill]
soft_labels = "teacher/fold{fold}/soft_labels.csv"
unlabelled = ["spoken"]
unlabelled_share = 0.5
soft_label_weight = 0.5

[fit]
epochs = 1
""".replace("LABELS", json.dumps(LABELS))


@pytest.fixture(scope="module")
def few(corpora, tmp_path_factory):
    """Some clips of four speakers, some without labels, a link to the weights, and the recipes."""
    weights = corpora.parent / "source-models"
    weights = type(corpora)(os.environ.get("LIVEMOOD_SOURCES", weights))
    if not (weights / "efficientat-mn04.safetensors").is_file():
        pytest.skip(f"no pretrained encoders at {weights}: set LIVEMOOD_SOURCES to their folder")
    folder = tmp_path_factory.mktemp("tune")
    (folder / "few").mkdir()
    with (folder / "few" / "metadata.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["path", "speaker", "label"])
        for clip in read_manifest(corpora / "ravdess" / "metadata.csv"):
            if int(clip.speaker[-2:]) <= 4 and clip.path.stem[9:14] in ("01-01", "02-02"):
                writer.writerow([clip.path, clip.speaker, clip.label])
    (folder / "spoken").mkdir()
    others = read_unlabelled(corpora / "librispeech")[-12:]
    lines = "".join(f"{clip.path}\n" for clip in others)
    (folder / "spoken" / "metadata.csv").write_text(f"path\n{lines}")
    (folder / "tuned.toml").write_text(RECIPE)
    (folder / "pupil.toml").write_text(PUPIL)
    name = "efficientat-mn04.safetensors"
    (folder / name).symlink_to(weights / name)
    return folder


def call(few, *words, folds=("--folds", "group:2")):
    more = ["--corpora", few, "--encoders", few, "--cache", few / "cache", "--device", "cpu"]
    with pytest.raises(SystemExit) as end:
        run([*map(str, words), *map(str, more), *folds])
    return end.value.code


@pytest.mark.slow
def test_a_tuned_source_is_measured_by_fold_and_teaches_a_small_network(few, capsys):
    out = few / "teacher"
    tune = ["encoders", "finetune", few / "tuned.toml", "--out", out]
    clips = read_manifest(few / "few" / "metadata.csv")
    folds = make_folds("group:2", clips)
    assert call(few, *tune, "--only", folds[0].name) == 0
    assert not (out / "figures.json").exists()
    kept = out / f"fold{folds[0].name}" / "checkpoint.pt"
    written = kept.stat().st_mtime_ns
    assert call(few, *tune) == 0
    assert kept.stat().st_mtime_ns == written  # what was trained is not trained again
    said = capsys.readouterr()
    assert "epoch 3/3" in said.err
    assert "float32        UAR" in said.out
    figures = json.loads((out / "figures.json").read_text())
    assert figures["folds"] == [fold.name for fold in folds]
    assert np.sum(figures["models"]["float32"]["confusion"]) == len(clips)
    for fold in folds:
        table = read_soft_labels(out / f"fold{fold.name}" / "soft_labels.csv", clips, LABELS)
        own = np.array([clip.speaker in fold.speakers for clip in clips])
        assert not table[own].any()  # it says nothing of those it is measured on
        assert np.allclose(table[~own].sum(axis=1), 1, atol=1e-3)
        spoken = read_unlabelled(few / "spoken", 0.5)
        assert 0 < len(spoken) < 12
        table = read_soft_labels(out / f"fold{fold.name}" / "soft_labels.csv", spoken, LABELS)
        assert np.allclose(table.sum(axis=1), 1, atol=1e-3)
        curve = (out / f"fold{fold.name}" / "curve.jsonl").read_text().splitlines()
        losses = [json.loads(line)["loss"] for line in curve]
        assert losses[-1] < losses[0]
    table = read_soft_labels(
        out / "soft_labels.csv", clips, LABELS
    )  # each by the fold that did not hear it
    assert np.allclose(table.sum(axis=1), 1, atol=1e-3)
    truth = [LABELS.index(clip.label) for clip in clips]
    expected = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(expected, (truth, table.argmax(axis=1)), 1)
    assert expected.tolist() == figures["models"]["float32"]["confusion"]
    assert call(few, "train", few / "pupil.toml", "--out", few / "pupil") == 0
    assert (few / "pupil" / "figures.json").is_file()


@pytest.mark.slow
def test_speakers_that_the_recipe_holds_out_take_no_part(few):
    clips = read_manifest(few / "few" / "metadata.csv")
    held = clips[0].speaker
    part = '[[corpora]]\nname = "few"'
    text = RECIPE.replace(part, f'{part}\nheld_out = ["{held}"]').replace(
        "epochs = 3", "epochs = 1"
    )
    (few / "held.toml").write_text(text)
    out = few / "held"
    assert call(few, "encoders", "finetune", few / "held.toml", "--out", out) == 0
    for path in [out / "soft_labels.csv", *out.glob("fold*/soft_labels.csv")]:
        table = read_soft_labels(path, clips, LABELS)
        own = np.array([clip.speaker == held for clip in clips])
        assert not table[own].any()
        assert table[~own].any()


@pytest.mark.slow
def test_tuned_without_folds_it_is_a_source_to_tune_further(few, capsys):
    clips = read_manifest(few / "few" / "metadata.csv")
    fold, other = make_folds("group:2", clips)
    part = '[[corpora]]\nname = "few"'
    text = RECIPE.replace(part, f"{part}\nheld_out = {json.dumps(fold.speakers)}")
    (few / "first.toml").write_text(text.replace("epochs = 3", "epochs = 1"))
    assert "first" not in encoder_names(few)
    out = few / "first"
    assert call(few, "encoders", "finetune", few / "first.toml", "--out", out, folds=()) == 0
    assert "float32        UAR" in capsys.readouterr().out
    figures = json.loads((out / "figures.json").read_text())
    measured = figures["models"]["float32"]["corpora"]["few"]["clips"]
    assert measured == sum(clip.speaker in fold.speakers for clip in clips)
    assert "first" in encoder_names(few)
    # Its layers have learnt, and those below have not: their maps serve once more.
    source, untuned = (open_encoder(name, few) for name in ("first", "efficientat-mn04"))
    sound = torch.randn(1, 2 * source.sample_rate) * 0.1
    with torch.no_grad():
        assert torch.equal(source.stem(sound)[0], untuned.stem(sound)[0])
        assert not torch.equal(source(sound)[-1], untuned(sound)[-1])
    made = sorted((few / "cache").glob("stem-*"))
    name, tune = fold.name, ["encoders", "finetune", few / "tuned.toml", "--out", few / "further"]
    tune += ["--set", "network.pretrained=first", "--set", "fit.epochs=1", "--only"]
    assert call(few, *tune, name) == 0
    with pytest.raises(UsageError, match=f"first was trained on {other.speakers[0]}, who is to be"):
        call(few, *tune, other.name)
    assert f"finetuned: {name}; without --only all folds are measured" in capsys.readouterr().out
    left = json.loads((few / "further" / f"fold{name}" / "recipe.json").read_text())
    assert left["network"]["pretrained"] == "first"
    assert sorted((few / "cache").glob("stem-*")) == made
    assert first_encoder("first", few) == "efficientat-mn04"
    # A DC-RNN cannot begin with it, and says so.
    named = PUPIL.partition("[distill]")[0].replace("[network]", '[network]\npretrained = "first"')
    (few / "wrong.toml").write_text(named)
    with pytest.raises(ModelError, match="does not fit this network"):
        call(few, "train", few / "wrong.toml", "--out", few / "wrong")


@pytest.mark.slow
def test_cut_short_it_goes_on_and_ends_with_the_same_weights(few):
    whole, cut = few / "whole", few / "cut"
    name = make_folds("group:2", read_manifest(few / "few" / "metadata.csv"))[0].name
    tune = ["encoders", "finetune", few / "tuned.toml", "--only", name, "--out"]
    assert call(few, *tune, whole) == 0

    kept, calls = TrainingState.save, []

    def killed(self, run):
        kept(self, run)
        calls.append(run)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "save", killed)
        assert call(few, *tune, cut) == 130
    assert call(few, *tune, cut) == 0
    one, other = (
        torch.load(folder / f"fold{name}" / "checkpoint.pt", weights_only=True)["ema"]
        for folder in (whole, cut)
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_table_is_written_whole_or_not_at_all(few):
    clips = read_manifest(few / "few" / "metadata.csv")[:3]
    path, even = few / "said.csv", np.full(len(LABELS), 1 / len(LABELS))

    def said(until):
        for number, clip in enumerate(clips):
            if number == until:
                raise KeyboardInterrupt
            yield clip, even

    with pytest.raises(KeyboardInterrupt):
        write_soft_labels(path, LABELS, said(2))
    assert not path.exists()
    write_soft_labels(path, LABELS, said(3))
    assert np.allclose(read_soft_labels(path, clips, LABELS), even)


def test_a_recipe_that_names_nothing_to_tune_is_refused(few):
    tune = ["encoders", "finetune", few / "tuned.toml", "--out", few / "less", "--only", "1"]
    with pytest.raises(UsageError, match="--only names folds: say which with --folds"):
        call(few, *tune, folds=())
    with pytest.raises(UsageError, match="no fold is called 'x'"):
        call(few, "encoders", "finetune", few / "tuned.toml", "--out", few / "less", "--only", "x")
    text = (few / "tuned.toml").read_text()
    for less in ('pretrained = "efficientat-mn04"', "copies = 2"):
        (few / "less.toml").write_text(text.replace(less, ""))
        with pytest.raises(UsageError, match=r"network\.pretrained, and augment\.copies"):
            call(few, "encoders", "finetune", few / "less.toml", "--out", few / "less")
    (few / "less.toml").write_text(text.replace("efficientat-mn04", "nothing"))
    with pytest.raises(UsageError, match="no pretrained encoder is called 'nothing'"):
        call(few, "encoders", "finetune", few / "less.toml", "--out", few / "less")


def test_what_tuning_does_not_know_is_refused(few):
    for more, message in (
        ("fit.layer_lr_decay=0.5", r"knows no fit\.layer_lr_decay"),
        ("distill.soft_labels=said.csv", "soft labels"),
    ):
        with pytest.raises(UsageError, match=message):
            call(
                few, "encoders", "finetune", few / "tuned.toml", "--out", few / "no", "--set", more
            )
    with pytest.raises(UsageError, match="no folds are called ''"):
        call(
            few,
            "encoders",
            "finetune",
            few / "tuned.toml",
            "--out",
            few / "no",
            folds=("--folds", ""),
        )


def test_folds_and_a_whole_source_are_not_put_into_one_folder(few):
    whole, by_fold = few / "as-whole", few / "as-folds"
    (by_fold / "fold1").mkdir(parents=True)
    whole.mkdir()
    for name in ("recipe.json", "checkpoint.pt"):
        (whole / name).touch()
    with pytest.raises(
        UsageError, match="holds folds of a finetuned encoder: choose another --out"
    ):
        call(few, "encoders", "finetune", few / "tuned.toml", "--out", by_fold, folds=())
    with pytest.raises(UsageError, match="finetuned without folds: choose another --out"):
        call(few, "encoders", "finetune", few / "tuned.toml", "--out", whole)


def test_damaged_sources_are_told_in_one_line(few, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "soft_labels.csv").touch()
    (folder / "checkpoint.pt").write_bytes(b"no checkpoint")
    made = json.dumps({"corpora": [], "labels": [], "network": {"pretrained": "efficientat-mn04"}})
    for text, message in (
        ("{", "cannot be read"),
        ("{}", "is no recipe of a run"),
        (made.replace("efficientat-mn04", "broken"), "goes on from itself"),
        (made, r"checkpoint\.pt cannot be read"),
    ):
        (folder / "recipe.json").write_text(text)
        with pytest.raises(ModelError, match=message):
            open_encoder("broken", tmp_path)
    # A folder called as a source of its own changes nothing.
    folder.rename(tmp_path / "efficientat-mn04")
    assert first_encoder("efficientat-mn04", tmp_path) == "efficientat-mn04"
    assert encoder_names(tmp_path).count("efficientat-mn04") == 1


def test_a_table_keeps_which_label_is_the_likeliest(tmp_path):
    path = tmp_path / "near.csv"
    near = np.full(len(LABELS), 1 / len(LABELS))
    near[5] += 2e-5
    clip = Clip(tmp_path / "a.wav", "x", "s", LABELS[5])
    write_soft_labels(path, LABELS, [(clip, near)])
    assert read_soft_labels(path, [clip], LABELS)[0].argmax() == 5
