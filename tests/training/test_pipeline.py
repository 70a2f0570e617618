"""The training that made the model, on a little real speech."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from livemood.errors import UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.training.build import build  # noqa: E402
from livemood.training.data.corpora import (  # noqa: E402
    RAVDESS_FOLDS,
    ravdess_speakers,
    read_corpus,
    split_by_speaker,
)
from livemood.training.data.dataset import Dataset, read_dataset  # noqa: E402
from livemood.training.evaluation.predict import predict_clips  # noqa: E402
from livemood.training.fit.network_trainer import NetworkTrainer  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.recipe.schema import Recipe, read_recipe  # noqa: E402
from livemood.training.recipe.sections import NetworkSection  # noqa: E402
from livemood.training.recipe.text import read_text_recipe  # noqa: E402
from livemood.training.run_folder import Workspace  # noqa: E402

RECIPES = Path(__file__).parents[2] / "recipes"
LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")


@pytest.fixture(scope="module")
def recipe():
    return Recipe.model_validate(
        {
            "name": "tiny",
            "seed": 5,
            "labels": LABELS,
            "label_map": {"calm": "neutral"},
            "corpora": [{"name": "ravdess", "held_out": ravdess_speakers(1)}],
            "network": {"channels": 8, "hidden": 16, "recurrent": 8},
            "augment": {"speeds": [1.0]},
            "fit": {"epochs": 3},
        }
    )


@pytest.fixture(scope="module")
def clips(recipe, corpora):
    data = read_dataset(recipe.dataset, corpora)
    return data.train[::30], data.test[::20]


@pytest.fixture(scope="module")
def built(recipe, clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    return build(recipe, some(clips), Workspace(folder, folder / "cache"), folder / "run"), folder


def some(clips):
    return Dataset(clips[0], [1.0] * len(clips[0]))


def test_training_gives_models_that_load_and_predict(built, clips):
    for folder in built[0].values():
        truth, probabilities = predict_clips(load_model(folder, "cpu"), clips[1])
        assert probabilities.shape == (len(truth), len(LABELS))
        assert np.allclose(probabilities.sum(axis=1), 1)


def test_the_exported_network_is_the_trained_one(built):
    manifest = load_model(built[0]["float32"], "cpu").manifest
    assert manifest.metrics["onnx_parity"] < 1e-4


def test_int8_is_close_to_float(built, clips):
    rows = [predict_clips(load_model(f, "cpu"), clips[1])[1] for f in built[0].values()]
    assert np.abs(rows[0] - rows[1]).mean() < 0.03


def test_a_run_cut_short_ends_with_the_same_weights(recipe, clips, built, monkeypatch):
    folder = built[1]
    whole = torch.load(folder / "run" / "checkpoint.pt", weights_only=True)
    where = Workspace(folder, folder / "cache")
    real, calls = NetworkTrainer.begin_epoch, []

    def killed(trainer, epoch):
        calls.append(epoch)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(trainer, epoch)

    monkeypatch.setattr(NetworkTrainer, "begin_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        build(recipe, some(clips), where, folder / "again")
    monkeypatch.undo()
    build(recipe, some(clips), where, folder / "again")
    again = torch.load(folder / "again" / "checkpoint.pt", weights_only=True)
    assert again["epoch"] == whole["epoch"] == 3
    for name, value in whole["ema"].items():
        assert torch.equal(again["ema"][name], value), name


def test_convolutions_give_the_same_for_a_stretch_whatever_is_around_it():
    """What makes incremental computing exact: a finite context and no padding in time."""
    torch.manual_seed(0)
    network = DcRnn(NetworkSection(), 64, 7).eval()
    features = torch.randn(1, 1, 298, 64)
    with torch.no_grad():
        whole = network.encoder.convolutions(features)
        steps = whole.shape[2]
        assert steps == (298 - network.context_frames) // network.step_frames + 1
        for first, count in ((0, 1), (3, 3), (20, 15)):
            start = first * network.step_frames
            stretch = (count - 1) * network.step_frames + network.context_frames
            part = network.encoder.convolutions(features[:, :, start : start + stretch])
            assert part.shape[2] == count
            assert (part - whole[:, :, first : first + count]).abs().max() < 1e-5


def test_folds_cover_every_actor_once():
    actors = [actor for fold in RAVDESS_FOLDS for actor in fold]
    assert sorted(actors) == list(range(1, 25))


def test_a_split_keeps_speakers_apart(corpora, recipe):
    clips = read_corpus(corpora / "ravdess", {"calm": "neutral"}, LABELS)
    train, test = split_by_speaker(clips, ravdess_speakers(3))
    assert not {c.speaker for c in train} & {c.speaker for c in test}
    assert len(train) + len(test) == 1440
    assert len(test) == 240
    with pytest.raises(UsageError, match="nobody"):
        split_by_speaker(clips, ["nobody"])


def test_a_wrong_table_is_refused_with_its_row(tmp_path, corpora):
    folder = tmp_path / "x"
    shutil.copytree(corpora / "ravdess" / "audio", folder / "audio", copy_function=_first_only)
    head = "path,corpus,speaker,gender,emotion,intensity,language,text,seconds\n"
    good = "audio/03-01-01-01-01-01-01.flac,x,a,male,neutral,,en,,3\n"
    table = folder / "metadata.csv"
    table.write_text(head + good + good.replace("neutral", "bored"))
    with pytest.raises(UsageError, match=r"row 3: unknown label 'bored'"):
        read_corpus(folder, {}, LABELS)
    table.write_text(head + good + good.replace("01.flac", "99.flac"))
    with pytest.raises(UsageError, match=r"row 3: no file"):
        read_corpus(folder, {}, LABELS)
    with pytest.raises(UsageError, match=r"metadata\.csv"):
        read_corpus(tmp_path / "none", {}, LABELS)


def _first_only(source, target):
    if source.endswith("03-01-01-01-01-01-01.flac"):
        shutil.copy(source, target)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("seed = 'x'", "wrong at seed"),
        ("nonsense = 1", "nonsense"),
        ("[fit]\nepochs = 0", "fit.epochs"),
        ("= 1", "not TOML"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_place(tmp_path, change, says):
    path = tmp_path / "recipe.toml"
    good = {"name": '"x"', "seed": "1", "labels": '["a", "b"]', "corpora": "[]"}
    lines = [f"{key} = {value}" for key, value in good.items() if not change.startswith(key)]
    path.write_text("\n".join([*lines, change]))
    with pytest.raises(UsageError, match=says) as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_comes_along_can_be_read(path):
    read = read_text_recipe if path.stem == "words" else read_recipe
    assert read(path).corpora


@pytest.mark.parametrize("name", ["default", "small"])
def test_the_shipped_model_is_what_its_recipe_says(name):
    model = load_model(name)
    recipe = read_recipe(RECIPES / f"{name}.toml")
    assert (recipe.name, recipe.version) == (model.manifest.name, model.manifest.version)
    assert recipe.labels == model.labels
    assert recipe.seed == model.manifest.metrics["seed"]
    assert recipe.features.mels == model.manifest.features.mels
    assert json.dumps(model.manifest.metrics["held_out"])
