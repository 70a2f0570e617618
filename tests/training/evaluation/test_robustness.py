"""Adversarial perturbations, and the copy of a model that they are found on."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from livemood.errors import UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.model.features import WHISPER, FeatureSettings, FrontEnd  # noqa: E402
from livemood.model.registry import find_model  # noqa: E402
from livemood.training.evaluation.differentiable import open_differentiable  # noqa: E402
from livemood.training.evaluation.perturbation import (  # noqa: E402
    fgsm,
    pgd,
    radius_of,
    virtual_adversarial_loss,
)
from livemood.training.network.log_mel import TorchLogMel  # noqa: E402

LEVELLED = FeatureSettings.model_validate({**WHISPER, "mean": -5, "deviation": 4, "level": {}})


@pytest.mark.parametrize("settings", [FeatureSettings(mean=-5.7, deviation=5), LEVELLED])
def test_features_in_torch_are_those_of_the_product_and_pass_a_gradient(settings):
    rng = np.random.default_rng(1)
    sound = rng.normal(0, 0.1, 16000).astype(np.float32) * np.linspace(0.001, 1, 16000)
    sound = sound.astype(np.float32)
    wanted = FrontEnd(settings, first=27, group=24)(sound)
    x = torch.from_numpy(sound).requires_grad_()
    found = TorchLogMel(settings, first=27, group=24)(x)
    assert np.allclose(found.detach().numpy(), wanted, atol=1e-4)
    found.square().sum().backward()
    assert (x.grad[1000:-1000] != 0).all()


def test_the_copy_of_a_model_reads_as_the_model_does(ravdess_clip):
    model = load_model("small", "cpu")
    sound, rate = ravdess_clip
    (window, *_) = model.windows(sound, rate)
    copy = open_differentiable(find_model("small"), None)
    logits = copy.logits(torch.from_numpy(window[None])).softmax(1)[0].detach().numpy()
    tempered = logits ** (1 / model.manifest.temperature)
    read = list(model.predict(sound, rate).probabilities.values())
    assert np.abs(tempered / tempered.sum() - read).max() < 0.1


@pytest.fixture(scope="module")
def ravdess_clip(corpora):
    import soundfile as sf

    path = corpora / "ravdess" / "audio" / "03-01-05-02-01-01-01.flac"
    return sf.read(path, dtype="float32")


def test_a_streaming_encoder_without_its_run_is_told():
    with pytest.raises(UsageError, match=r"needs the run that made it, with head\.pt"):
        open_differentiable(find_model("default"), None)


def curved(x):
    """A loss with a bend: one step along the gradient overshoots it."""
    return -(x[0] - 0.3).square() - 5 * (x[1] + 0.05).square() + x[2]


def test_the_fast_gradient_sign_is_the_worst_case_of_a_linear_loss():
    slope = torch.tensor([2.0, -1.0, 0.5])
    x = torch.tensor([0.1, 0.2, 0.3])
    assert torch.allclose(fgsm(lambda v: v @ slope, x, 0.1), x + 0.1 * slope.sign())


def test_projected_steps_stay_inside_and_find_more_than_one_step():
    x, generator = torch.zeros(3), torch.Generator().manual_seed(1)
    moved = pgd(curved, x, 0.5, 20, generator)
    assert (moved - x).abs().max() <= 0.5 + 1e-6
    assert curved(moved) > curved(fgsm(curved, x, 0.5)) + 0.5
    each = torch.tensor([0.5, 0.1, 0.0])
    assert ((pgd(curved, x, each, 5) - x).abs() <= each + 1e-6).all()
    with pytest.raises(ValueError, match="at least one step"):
        pgd(curved, x, 0.5, 0)


def test_a_virtual_adversary_finds_the_direction_that_matters():
    torch.manual_seed(1)
    weight = torch.zeros(20, 2)
    weight[3, 0] = 4.0  # predictions hang on one value of twenty

    def logits(x):
        return x @ weight

    x = torch.randn(200, 20)
    wanted = logits(x).log_softmax(1)
    moved = logits(x + torch.randn(200, 20) * 0.3).log_softmax(1)
    random = (wanted.exp() * (wanted - moved)).sum(1).mean()
    assert virtual_adversarial_loss(logits, x, 0.3) > 4 * random


def test_a_radius_is_so_many_decibels_below():
    assert radius_of(torch.full((100,), 0.5), 20.0) == pytest.approx(0.05)
