"""Attributions find what a label hangs on, and removing it costs the label."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("captum", reason="needs the extra train")

from livemood.model.manifest import read_manifest  # noqa: E402
from livemood.model.registry import find_model  # noqa: E402
from livemood.training.data.clips import Clip  # noqa: E402
from livemood.training.evaluation.differentiable import DifferentiableModel  # noqa: E402
from livemood.training.evaluation.explanation import (  # noqa: E402
    METHODS,
    Explanation,
    attribution,
    explain,
    silenced,
)
from livemood.training.evaluation.html_report import html_report  # noqa: E402

BANDS = [20, 21, 22, 23]


class OneTone(torch.nn.Module):
    """Says the second label where some bands change over time, and else the first."""

    def forward(self, features):
        moves = (features[:, 1:] - features[:, :-1])[..., BANDS].square().mean((1, 2))
        logits = torch.zeros(len(features), 7)
        logits[:, 0] = 1e-3
        return logits + moves[:, None] * torch.eye(7)[1]


@pytest.fixture(scope="module")
def model():
    return DifferentiableModel(read_manifest(find_model("small")), OneTone())


@pytest.mark.parametrize("method", METHODS)
def test_the_bands_that_decide_are_found(method, model):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(1, 120, model.manifest.features.mels, generator=generator)
    found = attribution(model, features, 1, method)
    assert found.shape == (120, model.manifest.features.mels)
    by_band = found.sum(axis=0)
    assert by_band[BANDS].sum() > 0.45 * np.abs(by_band).sum()
    assert np.abs(by_band[:16]).max() == np.abs(by_band[28:]).max() == 0  # it covers eight bands


def test_integrated_gradients_add_up_to_what_the_label_gained(model):
    """Completeness (Sundararajan et al. 2017)."""
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(1, 90, model.manifest.features.mels, generator=generator)
    found = attribution(model, features, 1, "integrated-gradients")
    gained = model.logits(features)[0, 1] - model.logits(silenced(features))[0, 1]
    assert found.sum() == pytest.approx(float(gained), rel=0.02)


def test_shap_repeats_by_its_seed_and_leaves_other_draws_alone(model):
    features = torch.randn(1, 60, model.manifest.features.mels)
    np.random.seed(5)  # noqa: NPY002 - the generator that captum uses
    torch.manual_seed(5)
    expected = np.random.random(), float(torch.rand(()))  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    one, two, other = (attribution(model, features, 1, "shap", seed) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert (np.random.random(), float(torch.rand(()))) == expected  # noqa: NPY002


def test_removed_bands_stand_at_their_mean_and_others_as_they_were():
    features = torch.randn(1, 50, 8, generator=torch.Generator().manual_seed(3))
    out = silenced(features, [1, 5])
    assert torch.equal(out[..., [0, 2, 3, 4, 6, 7]], features[..., [0, 2, 3, 4, 6, 7]])
    assert out[..., [1, 5]].std(dim=1).max() < 1e-6
    assert torch.allclose(out.mean(1), features.mean(1), atol=1e-6)


def test_removing_what_a_label_hangs_on_costs_more_than_removing_by_chance(model, tmp_path):
    import soundfile as sf

    clips = []
    for n in range(4):
        sound = np.random.default_rng(n).normal(0, 0.1, 16000).astype(np.float32)
        sf.write(tmp_path / f"{n}.wav", sound, 16000)
        clips.append(Clip(tmp_path / f"{n}.wav", "made", "ann", model.manifest.labels[1]))
    found = explain(model, clips, Explanation(METHODS), 1)
    by_share = {row["share"]: row for row in found["deletion"]}
    assert {*by_share[0.1]} == {"share", "random", *METHODS}
    for name in METHODS:
        assert by_share[0.0][name]["accuracy"] == 100
        assert by_share[0.4][name]["accuracy"] < by_share[0.4]["random"]["accuracy"]
    for name in ("integrated-gradients", "shap"):  # six of sixty-four bands, those four first
        assert by_share[0.1][name]["accuracy"] == 0
    assert by_share[0.2]["random"]["accuracy"] > 50
    assert len(found["bands_hz"]) == model.manifest.features.mels
    assert len(found["shown"]) == 2
    page = html_report(
        {"model": {"name": "m", "version": "1", "precision": "int8"}, "manifest": "x", "seed": 1,
         "labels": [], "conditions": {}, "explanation": found}, found["shown"]
    )  # fmt: skip
    assert "Which bands labels hang on" in page
    assert "0.wav, read as happy" in page
