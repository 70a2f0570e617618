"""Keys that recipes had before are refused with the new ones, wherever they stand."""

import pytest

from livemood.errors import UsageError
from livemood.training.data.folds import Fold
from livemood.training.recipe.overrides import parse_overrides, with_overrides
from livemood.training.recipe.renamed import RENAMED, RENAMED_KINDS, renamed
from livemood.training.recipe.schema import Recipe, read_recipe
from livemood.training.recipe.waveform import KINDS

LEAST = """
name = "x"
seed = 1
labels = ["a", "b"]
corpora = []
"""


def read(path, text):
    path.write_text(LEAST + text)
    return read_recipe(path)


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_is_refused_with_the_new_one(old, tmp_path):
    section, _, key = old.partition(".")
    new = RENAMED[old].partition(".")[2]
    with pytest.raises(UsageError, match=f"at {section}: {key} is now called {new}$"):
        read(tmp_path / "recipe.toml", f"[{section}]\n{key} = 1\n")
    made = read(tmp_path / "recipe.toml", "")
    with pytest.raises(UsageError, match=f"^{old} is now called {RENAMED[old]}$"):
        with_overrides(made, parse_overrides([f"{old}=1"]))
    assert new in type(getattr(made, section)).model_fields, "the new key is one"
    assert key not in type(getattr(made, section)).model_fields, "and the old one is not"


@pytest.mark.parametrize("old", RENAMED_KINDS)
def test_an_old_change_of_sound_is_refused_with_the_new_one(old, tmp_path):
    new = RENAMED_KINDS[old]
    assert new in KINDS
    assert old not in KINDS
    text = f'[[augment.waveform]]\nkind = "{old}"\n'
    with pytest.raises(UsageError, match=f"the change {old} is now called {new}"):
        read(tmp_path / "recipe.toml", text)
    for place in ("augment.sound", "augment.waveform"):
        assert renamed(f"{place}.{old}.p") == f"augment.waveform.{new}.p"


@pytest.mark.parametrize(
    "name", ['O"Brien', "a/b", "..", "../x", "back\\slash", "new\nline", "日本"]
)
def test_a_fold_of_any_name_is_a_folder_of_its_own(name, tmp_path):
    folder = tmp_path / f"fold{Fold(name, (name,)).slug}"
    folder.mkdir()
    assert [found.parent for found in tmp_path.iterdir()] == [tmp_path]
    assert (tmp_path / Fold(name, (name,)).slug).resolve().parent == tmp_path
    assert Fold("ravdess-01", ()).slug == "ravdess-01"


def test_what_was_never_renamed_has_no_new_name():
    for key in ("fit.epochs", "fit.frozen_blocks", "augment.waveform.noise.p", "search.space", "x"):
        assert renamed(key) is None


def test_the_name_of_a_fold_may_hold_any_sign():
    made = Recipe.model_validate(
        {
            "name": "x",
            "seed": 1,
            "labels": ["a", "b"],
            "corpora": [{"name": "c"}],
            "network": {"pretrained": "runs/fold{fold}"},
            "distill": {"soft_labels": "x/fold{fold}/soft_labels.csv"},
        }
    )
    for name in ('O"Brien', "back\\slash", "new\nline", "{fold}", "日本"):
        own = made.for_fold(name)
        assert own.network.pretrained == f"runs/fold{name}"
        assert own.distill.soft_labels == f"x/fold{name}/soft_labels.csv"
        assert own.fit == made.fit
