"""Labels other than emotions of speech: their place is in the recipe, and events follow it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

torch = pytest.importorskip("torch", reason="needs the extra train")

from livemood.errors import UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.model.manifest import Manifest, read_manifest  # noqa: E402
from livemood.model.registry import find_model  # noqa: E402
from livemood.toolkit.evaluate import evaluate  # noqa: E402
from livemood.toolkit.parts import Wanted  # noqa: E402
from livemood.training.data.clips import Clip  # noqa: E402
from livemood.training.data.dataset import read_dataset  # noqa: E402
from livemood.training.evaluation.statistics import dimensions  # noqa: E402
from livemood.training.pipeline.train import train_once  # noqa: E402
from livemood.training.recipe.schema import Recipe, read_recipe  # noqa: E402
from livemood.training.run_folder import Workspace  # noqa: E402

RATE = 16000
RECIPES = Path(__file__).parents[2] / "recipes"
QUADRANTS = {"Q1": (0.6, 0.6), "Q2": (-0.6, 0.6), "Q3": (-0.6, -0.6), "Q4": (0.6, -0.6)}


def piece(rng, label, seconds=3.0):
    """Chords: loud attacks that follow fast where arousal is high; major where valence is."""
    valence, arousal = QUADRANTS[label]
    time = np.arange(int(RATE * seconds)) / RATE
    beat = rng.uniform(5, 7) if arousal > 0 else rng.uniform(0.8, 1.2)
    root = rng.uniform(160, 320)
    third = 1.25 if valence > 0 else 1.2
    bright = 12 if valence > 0 else 3  # and with more overtones: a small network hears that
    tone = sum(
        np.sin(2 * np.pi * root * step * k * time) / k
        for step in (1, third, 1.5)
        for k in range(1, bright)
    )
    fall = np.exp(-3 * (time * beat % 1))
    return 0.05 * tone * fall + 1e-3 * rng.standard_normal(len(time))


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A corpus `music`: six artists, each with pieces of the four quadrants, rated with errors."""
    root = tmp_path_factory.mktemp("corpora")
    rng = np.random.default_rng(1)
    (root / "music").mkdir()
    with (root / "music" / "metadata.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "label", "valence", "arousal"])
        for artist in range(6):
            for label, (valence, arousal) in QUADRANTS.items():
                for n in range(4):
                    name = f"{artist}-{label}-{n}.wav"
                    sf.write(root / "music" / name, piece(rng, label), RATE)
                    rated = np.clip(np.add((valence, arousal), rng.normal(0, 0.1, 2)), -1, 1)
                    writer.writerow([name, f"artist-{artist}", label, *rated.round(3)])
    return root


def music_recipe(**changes):
    content = json.loads(read_recipe_text())
    content["network"] = {"channels": 8, "hidden": 16, "recurrent": 8, "step_projection": 16}
    content["augment"] = {"speeds": [1.0], "mixup": 0, "gain_db": 0, "tilt_db": 0}
    content["fit"] = {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "ema_decay": 0.9}
    content["corpora"][0]["held_out"] = ["artist-4", "artist-5"]
    return Recipe.model_validate(content | changes)


def read_recipe_text():
    return read_recipe(RECIPES / "music.toml").model_dump_json()


@pytest.mark.slow
def test_a_model_of_quadrants_is_made_placed_and_measured(music, tmp_path):
    """The recipe's way, on sound that was made for it. What is learnt is not looked at."""
    recipe = music_recipe()
    data = read_dataset(recipe.dataset, music)
    train_once(recipe, data, Workspace(music, tmp_path / "cache"), tmp_path / "run")
    model = load_model(tmp_path / "run" / "model", "cpu")
    assert model.labels == ("Q1", "Q2", "Q3", "Q4")
    assert model.affect([1, 0, 0, 0]) == (0.6, 0.6)
    assert model.affect([0, 0, 0.5, 0.5]) == pytest.approx((0, -0.6))
    found = evaluate(
        Wanted(
            model=str(tmp_path / "run" / "model"),
            manifests=[music / "music" / "metadata.csv"],
            label_map={},
            speakers=["artist-4", "artist-5"],
        ),
        tmp_path / "out",
    )["conditions"]["clean"]
    assert found["dimensions"]["arousal"]["clips"] == 32
    assert -1 <= found["dimensions"]["arousal"]["ccc"] <= 1
    assert found["dimensions"]["valence"]["mae"] < 1.2  # both lie in [-0.6, 0.6], but for errors
    assert "against ratings" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_labels_stand_where_the_manifest_says_and_else_where_they_are_published():
    manifest = read_manifest(find_model("small"))
    content = json.loads(manifest.model_dump_json(by_alias=True))
    moved = Manifest.model_validate(content | {"places": {"surprise": (-0.2, 0.9)}})
    assert moved.places["surprise"] == (-0.2, 0.9)
    with pytest.raises(ValueError, match="places has 'bored', which is not one of labels"):
        Manifest.model_validate(content | {"places": {"bored": (0, 0)}})
    with pytest.raises(ValueError, match="less than or equal to 1"):
        Manifest.model_validate(content | {"places": {"surprise": (0, 2)}})


def test_a_recipe_places_its_own_labels_only(tmp_path):
    with pytest.raises(ValueError, match="places has 'Q5', which is not one of labels"):
        music_recipe(places={"Q5": (0, 0)})
    (tmp_path / "r.toml").write_text(
        'name="x"\nseed=1\nlabels=["a","b"]\ncorpora=[{name="c"}]\n[places]\na=[2,0]\n'
    )
    with pytest.raises(UsageError, match=r"places\.a\.0: input should be less than or equal to 1"):
        read_recipe(tmp_path / "r.toml")


def test_the_recipe_for_sounds_without_words_finds_its_corpus():
    recipe = read_recipe(RECIPES / "nonverbal.toml")
    assert len(recipe.labels) == 16
    assert not recipe.places


@pytest.mark.corpora
def test_every_kind_of_deeply_nonverbal_is_a_label_of_its_recipe(corpora):
    recipe = read_recipe(RECIPES / "nonverbal.toml")
    data = read_dataset(recipe.dataset, corpora)
    assert {clip.label for clip in data.train} == set(recipe.labels)
    assert len(data.train) == 727


def test_ratings_are_compared_by_ccc_and_mean_error(tmp_path):
    ratings = [(0.5, 0.1), (-0.5, None), (0.0, None), (0.25, None)]
    clips = [
        Clip(tmp_path, "c", "s", "a", valence=valence, arousal=arousal)
        for valence, arousal in ratings
    ]
    read = [(0.5, 0.25), (-0.5, 0.75), (0.0, 0.5), (0.25, 0.375)]
    found = dimensions(clips, read)
    assert found == {"valence": {"clips": 4, "ccc": 1.0, "mae": 0.0}}
    shifted = dimensions(clips, [(valence + 0.5, arousal) for valence, arousal in read])
    assert shifted["valence"]["mae"] == 0.5
    assert 0 < shifted["valence"]["ccc"] < 1
