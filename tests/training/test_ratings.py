"""Valence, arousal and dominance that a network learns from ratings, from the recipe to events."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

torch = pytest.importorskip("torch", reason="needs the extra train")

from safetensors.torch import save_file  # noqa: E402

import livemood  # noqa: E402
from livemood.errors import ModelError, UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.model.manifest import Manifest, read_manifest  # noqa: E402
from livemood.model.registry import find_model  # noqa: E402
from livemood.toolkit.evaluate import evaluate  # noqa: E402
from livemood.toolkit.parts import Wanted  # noqa: E402
from livemood.training.data.clips import Clip  # noqa: E402
from livemood.training.data.dataset import read_dataset  # noqa: E402
from livemood.training.evaluation.metrics import ccc  # noqa: E402
from livemood.training.fit.losses import rating_loss, ratings_of  # noqa: E402
from livemood.training.network.whisper import WhisperStack  # noqa: E402
from livemood.training.network.whisper_weights import TINY_EN  # noqa: E402
from livemood.training.pipeline.train import train_once  # noqa: E402
from livemood.training.recipe.schema import Recipe, read_recipe  # noqa: E402
from livemood.training.run_folder import Workspace  # noqa: E402

RATE = 16000
RECIPE = Path(__file__).parents[2] / "recipes" / "dimensional.toml"
DIMENSIONS = ("valence", "arousal", "dominance")
LABELS = ("neutral", "happy", "sad", "angry")
LAST = ["speaker-4", "speaker-5"]


def utterance(rng, valence, arousal, dominance, seconds=1.5):
    """Syllables: high where arousal is, bright where valence is; dominance moves a formant."""
    time = np.arange(int(RATE * seconds)) / RATE
    pitch = 180 + 80 * arousal + rng.normal(0, 3)
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.05 * np.sin(2 * np.pi * 3 * time))) / RATE
    formant, harmonics = 1800 + 900 * dominance, range(1, 24)
    weights = [
        k ** (0.7 * valence - 1.4) + 0.4 * np.exp(-(((k * pitch - formant) / 300) ** 2))
        for k in harmonics
    ]
    voice = sum(w * np.sin(k * phase) for w, k in zip(weights, harmonics, strict=True))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time + rng.uniform(0, 6)), 0, None)
    return 0.05 * voice * syllables + 1e-4 * rng.standard_normal(len(time))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corpus `rated` of made speech, and an encoder with random weights."""
    root = tmp_path_factory.mktemp("rated")
    (root / "rated").mkdir()
    rng = np.random.default_rng(1)
    with (root / "rated" / "metadata.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "label", *DIMENSIONS])
        for n in range(96):
            rated = rng.uniform(-0.9, 0.9, 3).round(3)
            sf.write(root / "rated" / f"{n}.wav", utterance(rng, *rated), RATE)
            cells = ["", "", ""] if n % 10 == 9 else list(rated)  # some rows have no rating
            writer.writerow([f"{n}.wav", f"speaker-{n % 6}", LABELS[n // 6 % 4], *cells])
    torch.manual_seed(1)
    path = root / "whisper-tiny-en.safetensors"
    save_file(WhisperStack(blocks=1).state_dict(), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TINY_EN, hashlib.sha256(path.read_bytes()).hexdigest(), "safetensors")
        yield root


def recipe_with(**ratings):
    content = json.loads(read_recipe(RECIPE).model_dump_json())
    content["network"] |= {"blocks": 1, "recurrent": 8, "step_projection": 24}
    content["fit"] |= {"epochs": 40, "batch_size": 20, "learning_rate": 1e-2, "ema_decay": 0.9}
    content["corpora"][0]["held_out"] = LAST
    content["ratings"] |= ratings
    return Recipe.model_validate(content)


@pytest.fixture(scope="module")
def run(place):
    recipe = recipe_with()
    data = read_dataset(recipe.dataset, place)
    train_once(recipe, data, Workspace(place, place / "cache", place), place / "run")
    return place / "run"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_ratings_are_learnt_and_measured_on_speakers_that_were_not_heard(
    precision, run, place, tmp_path
):
    folder = run / precision
    manifest = read_manifest(folder)
    assert (manifest.valence_arousal, manifest.dimensions) == ("learnt", DIMENSIONS)
    found = evaluate(
        Wanted(
            model=str(folder),
            manifests=[place / "rated" / "metadata.csv"],
            label_map={},
            speakers=LAST,
        ),
        tmp_path,
    )["conditions"]["clean"]["dimensions"]
    assert set(found) == set(DIMENSIONS)
    assert all(row["clips"] == 29 for row in found.values())
    assert min(row["ccc"] for row in found.values()) > 0.5
    assert all(0 < row["mae"] < 1 for row in found.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_network_says_is_what_a_program_and_live_events_get(run, place):
    model = load_model(run / "int8", "cpu")
    sound, rate = sf.read(place / "rated" / "5.wav", dtype="float32")
    told = model.predict(sound, rate)
    assert -1 <= told.dominance <= 1
    assert (told.valence, told.arousal) != model.affect(list(told.probabilities.values()))
    events = livemood.analyze(place / "rated" / "5.wav", model=run / "int8").events
    assert events[0].model.valence_arousal == "learnt"
    read = [e for e in events if e.type == "emotion"]
    assert read
    assert all(-1 <= value <= 1 for e in read for value in (e.valence, e.arousal, e.dominance))
    alone = np.array([e.raw_dimensions for e in read])
    smoothed = np.array([(e.valence, e.arousal, e.dominance) for e in read])
    assert list(smoothed[0]) == list(alone[0])
    assert np.abs(np.diff(smoothed, axis=0)).sum() < np.abs(np.diff(alone, axis=0)).sum()
    derived = [model.affect(list(e.probabilities.values())) for e in read]
    assert [(e.valence, e.arousal) for e in read] != [tuple(np.round(d, 4)) for d in derived]


def test_the_loss_is_one_less_the_correlation_of_rated_clips():
    rng = np.random.default_rng(3)
    rated = torch.from_numpy(rng.uniform(-1, 1, (40, 2)))
    told = rated + torch.from_numpy(rng.normal(0, 0.3, (40, 2)))
    rated[::4, 0] = float("nan")
    rated[:, 1] = rated[:, 1].where(torch.arange(40) < 2, torch.nan)  # two are too few
    there = ~rated[:, 0].isnan()
    expected = 1 - ccc(rated[there, 0].numpy(), told[there, 0].numpy())
    assert rating_loss(told, rated, "ccc").item() == pytest.approx(expected, abs=1e-4)
    error = (told - rated)[there, 0].square().mean()
    assert rating_loss(told, rated, "mse").item() == pytest.approx(error.item())
    assert rating_loss(told, torch.full_like(rated, torch.nan), "ccc").item() == 0


def test_what_cannot_be_learnt_is_told():
    clips = [Clip(Path("a"), "c", "s", "sad", valence=0.1, arousal=0.2)] * 12
    assert ratings_of(clips, ("valence", "arousal")).shape == (12, 2)
    with pytest.raises(UsageError, match="to learn dominance needs 10 clips with a rating"):
        ratings_of(clips, DIMENSIONS)
    with pytest.raises(ValueError, match="valence, arousal and maybe dominance, in this order"):
        recipe_with(learn=["arousal"])
    content = json.loads(read_recipe(RECIPE).model_dump_json())
    with pytest.raises(ValueError, match=r"ratings.learn is for a streaming-encoder"):
        Recipe.model_validate(content | {"network": {}})


def test_a_manifest_that_promises_what_the_network_lacks_is_refused(tmp_path):
    manifest = read_manifest(find_model("small"))
    content = json.loads(manifest.model_dump_json(by_alias=True))
    with pytest.raises(ValueError, match="learnt if there are dimensions"):
        Manifest.model_validate(content | {"dimensions": ["valence", "arousal"]})
    with pytest.raises(ValueError, match="dimensions are none, or valence, arousal"):
        Manifest.model_validate(content | {"dimensions": ["arousal"]})
    promised = content | {"dimensions": DIMENSIONS, "valence_arousal": "learnt"}
    (tmp_path / "manifest.json").write_text(json.dumps(promised))
    (tmp_path / "model.onnx").write_bytes((find_model("small") / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match="10 labels and dimensions, but it has 64 and 7"):
        load_model(tmp_path)
