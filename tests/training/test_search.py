"""Search for a recipe: where values go, what is measured, that it goes on."""

import json

import pytest

pytest.importorskip("optuna", reason="needs the extra train")

from livemood.errors import UsageError
from livemood.training.data.dataset import Dataset, read_dataset
from livemood.training.pipeline.search import multiply_adds, search
from livemood.training.recipe.overrides import parse_overrides, with_overrides
from livemood.training.recipe.schema import Recipe, read_recipe
from livemood.training.run_folder import Workspace

SPACE = {
    "fit.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "network.recurrent": {"low": 4, "high": 12, "step": 4},
    "network.cell": {"choices": ["gru", "lstm"]},
    "augment.waveform.gain.p": {"choices": [0.0, 0.5]},
}


def recipe(sampler, trials=3, space=None, **more):
    return Recipe.model_validate(
        {
            "name": "tiny",
            "seed": 5,
            "labels": ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"],
            "label_map": {"calm": "neutral"},
            "corpora": [{"name": "ravdess"}],
            "network": {"channels": 4, "hidden": 8, "recurrent": 4},
            "augment": {"speeds": [1.0]},
            "fit": {"epochs": 2, "validation_share": 0.15},
            "search": {"sampler": sampler, "trials": trials, "space": space or SPACE, **more},
        }
    )


@pytest.fixture(scope="module")
def where(corpora, tmp_path_factory):
    return Workspace(corpora, tmp_path_factory.mktemp("search") / "cache", None, "cpu")


@pytest.fixture(scope="module")
def data(where):
    whole = read_dataset(recipe("tpe").dataset, where.corpora)
    return Dataset(whole.train[::60], [1.0] * len(whole.train[::60]))


NO_SOUND = {k: v for k, v in SPACE.items() if "waveform" not in k}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "more"),
    [("random", {}), ("tpe", {}), ("cmaes", {}), ("nsga2", {"cost": True})],
)
def test_every_sampler_finds_something_and_goes_on(sampler, more, where, data, tmp_path):
    space = {k: v for k, v in NO_SOUND.items() if sampler != "cmaes" or "cell" not in k}
    first = search(recipe(sampler, 1, space, **more), data, where, tmp_path)
    assert first["trials"]["complete"] == 1
    seen = []
    found = search(recipe(sampler, 3, space, **more), data, where, tmp_path, seen.append)
    assert found["trials"]["complete"] + found["trials"]["pruned"] == 3
    assert len(seen) == 2
    rates = [trial["params"]["fit.learning_rate"] for trial in found["all"]]
    assert len(set(rates)) == len(rates)  # what was drawn before is not drawn again
    best = read_recipe(tmp_path / "best.json")
    assert best.search is None
    values = found["best"][0]["params"]
    assert best.fit.learning_rate == values["fit.learning_rate"]
    assert best.network.recurrent == values["network.recurrent"]
    if more:
        assert all(trial["multiply_adds"] > 0 for trial in found["best"])
    assert json.loads((tmp_path / "search.json").read_text()) == found
    assert search(recipe(sampler, 3, space, **more), data, where, tmp_path)["all"] == found["all"]


@pytest.mark.slow
def test_a_grid_is_tried_whole_and_no_more(where, data, tmp_path):
    space = {"network.recurrent": {"choices": [4, 8]}, "fit.l1": {"choices": [0.0, 1e-5]}}
    found = search(recipe("grid", 50, space), data, where, tmp_path)
    tried = {tuple(sorted(t["params"].items())) for t in found["all"]}
    assert len(tried) == 4


def test_values_go_where_their_place_says():
    made = with_overrides(
        recipe("tpe"), {"fit.l1": 0.1, "augment.waveform.noise.p": 0.7, "network.cell": "lstm"}
    )
    assert (made.fit.l1, made.network.cell, made.search) == (0.1, "lstm", None)
    assert [(s.kind, s.p) for s in made.augment.waveform] == [("noise", 0.7)]
    again = with_overrides(made, {"augment.waveform.noise.p": 0.2})
    assert [(s.kind, s.p) for s in again.augment.waveform] == [("noise", 0.2)]


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"fit.nothing": {"choices": [1]}}, "no fit.nothing"),
        ({"x.y": {"choices": [1]}}, r"no x\.y"),
        ({"fit.epochs": {"choices": [-1]}}, r"fit\.epochs"),
        ({"augment.waveform.thunder.p": {"choices": [1.0]}}, "thunder"),
    ],
)
def test_places_that_a_recipe_lacks_are_refused(space, says, where, data, tmp_path):
    with pytest.raises(UsageError, match=says):
        search(recipe("tpe", 1, space), data, where, tmp_path)


def test_a_search_needs_a_space_and_validation_speakers(where, data, tmp_path):
    made = recipe("tpe").model_copy(update={"search": None})
    with pytest.raises(UsageError, match=r"\[search\]"):
        search(made, data, where, tmp_path)
    blind = recipe("tpe")
    blind = blind.model_copy(update={"fit": blind.fit.model_copy(update={"validation_share": 0.0})})
    with pytest.raises(UsageError, match="validation"):
        search(blind, data, where, tmp_path)


def test_multiply_adds_are_those_that_one_counts():
    """A convolution alone: 298 frames give 296 rows of 64 bands, 9 products for each of 8 maps."""

    def cost(key, value):
        made = with_overrides(recipe("tpe"), {key: value})
        return multiply_adds(made.network, made.features, len(made.labels))

    small, wider = (cost("network.channels", count) for count in (4, 8))
    first = 296 * 64 * 9 * 4
    assert small > first
    assert wider > 2 * first + 2 * (small - first)
    more = cost("network.cell", "lstm")
    assert more - small == 35 * 4 * (8 + 4)


def test_settings_of_the_command_line_are_read_as_toml_and_put_in_their_place():
    given = ["fit.epochs=3", "network.cell=lstm", "augment.speeds=[1.0]", "fit.by_corpus = true"]
    made = with_overrides(recipe("tpe"), parse_overrides(given))
    assert (made.fit.epochs, made.network.cell, made.augment.speeds) == (3, "lstm", (1.0,))
    assert made.fit.by_corpus
    started = with_overrides(made, {"network.pretrained": "byol-s-d512"})
    assert (
        with_overrides(started, parse_overrides(["network.pretrained="])).network.pretrained is None
    )
    with pytest.raises(UsageError, match=r"wrong recipe: fit\.epochs"):
        with_overrides(made, parse_overrides(["fit.epochs="]))
    for wrong, says in (
        ("fit.epochs", "KEY=VALUE"),
        ("fit.epoch=3", "no fit.epoch"),
        ("fit.source_rate=1", "fit.source_rate is now called fit.encoder_lr_scale"),
    ):
        with pytest.raises(UsageError, match=says):
            with_overrides(made, parse_overrides([wrong]))
    with pytest.raises(UsageError, match=r"wrong recipe: fit\.epochs"):
        with_overrides(made, parse_overrides(["fit.epochs=-1"]))
