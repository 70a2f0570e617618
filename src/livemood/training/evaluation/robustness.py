"""Accuracy against adversarial perturbations: how loud one must be to mislead a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livemood.audio.block import Samples
from livemood.training.data.clips import Clip, read_clip
from livemood.training.data.predictions import Probs, Truth
from livemood.training.evaluation.differentiable import DifferentiableModel
from livemood.training.evaluation.metrics import accuracy, confusion_matrix, uar
from livemood.training.evaluation.perturbation import fgsm, pgd, radius_of

Method = Literal["fgsm", "pgd"]
METHODS: Final = ("fgsm", "pgd")
DOMAINS: Final = ("sound", "features")
Predict = Callable[[Samples], NDArray[np.float64]]
"""From sound to probabilities (labels,)."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What is tried on a model."""

    method: Method = "fgsm"
    domain: Literal["sound", "features"] = "sound"
    snrs_db: Sequence[float] = (50.0, 40.0, 30.0, 20.0)
    """How far what is added lies below the clip, in dB of power."""
    steps: int = 10
    """Of `pgd`."""


def robustness(
    model: DifferentiableModel, predict: Predict, clips: Sequence[Clip], attack: Attack, seed: int
) -> dict[str, Any]:
    """Accuracy and UAR in percent, clean and at each SNR, beside random signs of the same power.

    `predict` is what a user runs. On `sound` the perturbation is found by the gradient of `model`,
    its copy in torch, and what `predict` makes of it is measured: an attacker who knew better might
    do worse to it. On `features` the copy itself is measured.
    """
    truth: Truth = np.array([model.manifest.labels.index(clip.label) for clip in clips])
    found: dict[float | None, list[Probs]] = {snr: [] for snr in (None, *attack.snrs_db)}
    chance: dict[float, list[Probs]] = {snr: [] for snr in attack.snrs_db}
    generator = torch.Generator().manual_seed(seed)
    for clip, label in zip(clips, truth, strict=True):
        sound = np.asarray(read_clip(clip, model.manifest.features.sample_rate), np.float32)
        read, x, loss = _ways(model, predict, sound, int(label), attack.domain)
        found[None].append(read(x))
        for snr, moved, random in _perturbed(loss, x, attack, generator):
            found[snr].append(read(moved))
            chance[snr].append(read(random))
    rows = [
        {"snr_db": snr, **_scores(truth, found[snr]), "random": _scores(truth, chance[snr])}
        for snr in attack.snrs_db
    ]
    return {
        "method": attack.method,
        "domain": attack.domain,
        "steps": attack.steps if attack.method == "pgd" else 1,
        "clips": len(clips),
        "clean": _scores(truth, found[None]),
        "curve": rows,
    }


def _ways(
    model: DifferentiableModel, predict: Predict, sound: Samples, label: int, domain: str
) -> tuple[Callable[[Tensor], Probs], Tensor, Callable[[Tensor], Tensor]]:
    """How an input is read, the input itself, and its loss."""
    wanted = torch.tensor([label])

    def loss(x: Tensor) -> Tensor:
        features = model.features(x) if domain == "sound" else x
        return torch.nn.functional.cross_entropy(model.logits(features), wanted)

    heard = torch.from_numpy(sound)
    if domain == "sound":
        return lambda x: predict(x.numpy()), heard, loss

    def read(x: Tensor) -> Probs:
        with torch.no_grad():
            out: Probs = model.logits(x).softmax(1)[0].double().numpy()
        return out

    return read, model.features(heard), loss


def _perturbed(
    loss: Callable[[Tensor], Tensor], x: Tensor, attack: Attack, generator: torch.Generator
) -> list[tuple[float, Tensor, Tensor]]:
    """At each SNR: the input attacked, and with random signs added."""
    signs = torch.randint(0, 2, x.shape, generator=generator) * 2.0 - 1.0
    direction = fgsm(loss, x, 1.0) - x if attack.method == "fgsm" else None
    out = []
    for snr in attack.snrs_db:
        radius = radius_of(x, snr)
        if direction is None:
            moved = pgd(loss, x, radius, attack.steps, generator)
        else:
            moved = x + radius * direction.sign()  # the gradient is the same for all of them
        out.append((snr, moved, x + radius * signs))
    return out


def _scores(truth: Truth, probabilities: Sequence[Probs]) -> dict[str, float]:
    confusion = confusion_matrix(truth, np.array(probabilities))
    return {
        "accuracy": round(100 * accuracy(confusion), 2),
        "uar": round(100 * uar(confusion), 2),
    }
