"""Late fusion by a real text model."""

import json
import shutil

import numpy as np
import pytest

from livemood.engine.extensions import Evidence
from livemood.errors import UsageError
from livemood.model.labels import LABELS
from livemood.text.fusion import LateFusion

EVEN = np.full(7, 1 / 7)


def voice(**shares):
    rest = (1 - sum(shares.values())) / (7 - len(shares))
    return Evidence("voice", np.array([shares.get(label, rest) for label in LABELS]), EVEN)


def likeliest(distribution):
    return LABELS[int(distribution.argmax())]


def test_a_voice_alone_is_given_back(text_model):
    alone = voice(sad=0.6)
    assert (LateFusion(text_model).fuse([alone]) == alone.probabilities).all()


def test_words_tip_a_voice_that_is_undecided(text_model):
    fusion = LateFusion(text_model)
    heard = voice(sad=0.35, angry=0.33)
    said = fusion.read("i am furious and outraged", LABELS)
    assert likeliest(heard.probabilities) == "sad"
    assert likeliest(fusion.fuse([heard, said])) == "angry"


def test_labels_may_lie_in_another_order(text_model):
    fusion = LateFusion(text_model)
    turned = tuple(reversed(LABELS))
    there = fusion.read("so happy", turned).probabilities
    assert there[::-1] == pytest.approx(fusion.read("so happy", LABELS).probabilities)


def test_labels_that_sound_lacks_are_refused(text_model):
    with pytest.raises(UsageError, match="words' label happy is none of"):
        LateFusion(text_model).check_labels(["neutral", "glad"])


def test_a_learned_gate_is_used_if_there_is_one(text_model, tmp_path):
    folder = tmp_path / "gated"
    shutil.copytree(text_model, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["gate"] = {"voice": [0.0] * 5, "words": [-20.0, 0, 0, 0, 0]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    heard = voice(sad=0.4)
    gated, plain = LateFusion(folder), LateFusion(folder, method="product")
    said = gated.read("so happy and great", LABELS)
    assert gated.fuse([heard, said]) == pytest.approx(heard.probabilities, abs=1e-3)
    assert likeliest(plain.fuse([heard, said])) == "happy"


def test_a_gate_that_is_not_there_is_missed(text_model):
    with pytest.raises(UsageError, match="has no gate"):
        LateFusion(text_model, method="gate")
    with pytest.raises(UsageError, match="gate or product"):
        LateFusion(text_model, method="both")
