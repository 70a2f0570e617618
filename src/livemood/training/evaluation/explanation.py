"""Which bands of the spectrogram a model's label hangs on, and whether that is so."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livemood.model.features import FeatureSettings
from livemood.model.features.mel import band_centres
from livemood.training.data.clips import Clip, read_clip
from livemood.training.evaluation.differentiable import DifferentiableModel

Method = Literal["integrated-gradients", "occlusion", "shap"]
METHODS: Final = ("integrated-gradients", "occlusion", "shap")
STEPS: Final = 16
"""Of integrated gradients, from the baseline to the clip."""
PATCH: Final = (16, 8)
"""Frames and bands that occlusion covers at a time."""
DRAWN: Final = 48
"""Baselines, and places on the way from them to the clip, that SHAP averages over."""
SHARES: Final = (0.0, 0.1, 0.2, 0.4)
"""Shares of the bands that are removed."""
RANDOM: Final = "random"
"""Of the deletion curves, the one of bands in random order."""
SHOWN: Final = 2
"""Clips of each label that the report shows."""
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How labels are explained."""

    methods: tuple[Method, ...] = ("integrated-gradients",)
    """Each has its own attributions and deletion curve."""
    draws: int = 3
    """Random orders of bands that the ranked order is compared with."""


def attribution(
    model: DifferentiableModel, features: Tensor, label: int, method: str, seed: int = 1
) -> Map:
    """What each value of features (1, frames, mels) adds to the logit of `label`, (frames, mels).

    The baseline is the mean of each band over the clip: a spectrogram in which nothing happens.
    `shap` has many, frames of the clip that are held, and averages over them: expected gradients,
    an estimate of Shapley values (Lundberg & Lee 2017; Erion et al. 2021). `seed` is for it.
    """
    from captum.attr import GradientShap, IntegratedGradients, Occlusion  # takes a second to load

    ground = silenced(features)
    if method == "occlusion":
        frames, bands = PATCH
        patch = (min(frames, features.shape[1]), min(bands, features.shape[2]))
        with torch.no_grad():
            found = Occlusion(model.logits).attribute(
                features,
                sliding_window_shapes=patch,
                strides=tuple(max(1, side // 2) for side in patch),
                target=label,
                baselines=ground,
            )
    elif method == "shap":
        with _seeded(seed):
            held = torch.randint(features.shape[1], (DRAWN,))
            many = features[0, held, None].expand(DRAWN, *features.shape[1:])
            found = GradientShap(model.logits).attribute(
                features, many, n_samples=DRAWN, target=label
            )
    else:
        found = IntegratedGradients(model.logits).attribute(features, ground, label, n_steps=STEPS)
    out: Map = found[0].detach().numpy().astype(np.float32)
    return out


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Captum draws from the generators of the process: they are as they were afterwards."""
    kept = np.random.get_state()  # noqa: NPY002 - captum's
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(kept)  # noqa: NPY002


def silenced(features: Tensor, bands: Sequence[int] | NDArray[np.intp] | None = None) -> Tensor:
    """Features (1, frames, mels) with bands, all if none are named, at their mean over the clip."""
    mean = features.mean(dim=1, keepdim=True).expand_as(features)
    if bands is None:
        return mean.clone()
    out = features.clone()
    out[..., bands] = mean[..., bands]
    return out


def explain(
    model: DifferentiableModel, clips: Sequence[Clip], how: Explanation, seed: int
) -> dict[str, Any]:
    """Attributions of clips to the label that they are given, by band, and the deletion curves.

    In them the bands of each clip are removed (put at their mean over the clip), those that speak
    most for the label that the model gives first, by each method, and beside that in random order.
    If a ranking is worth anything, it costs more accuracy (Petsiuk et al. 2018). Percent. `shown`
    is for the report.
    """
    labels, rate = model.manifest.labels, model.manifest.features.sample_rate
    rng = np.random.default_rng(seed)
    bands, read = model.manifest.features.mels, _reader(model)
    curves = {name: {share: [0, 0] for share in SHARES} for name in (*how.methods, RANDOM)}
    by_label: dict[str, dict[str, list[Map]]] = {name: {} for name in how.methods}
    shown: list[dict[str, Any]] = []
    for clip in clips:
        sound = np.asarray(read_clip(clip, rate), np.float32)
        features = model.features(torch.from_numpy(sound)).detach()
        said, true = read(features), labels.index(clip.label)
        found: dict[str, Map] = {
            name: attribution(model, features, said, name, seed) for name in how.methods
        }
        orders = {RANDOM: [rng.permutation(bands) for _ in range(how.draws)]}
        for name, values in found.items():
            weight = values.sum(axis=0)
            orders[name] = [np.argsort(-weight)]
            by_label[name].setdefault(labels[said], []).append(weight)
        for name, own in orders.items():
            for order in own:
                for share in SHARES:
                    less = silenced(features, order[: round(share * bands)])
                    _count(curves[name][share], read(less), said, true)
        if said == true and sum(one["label"] == clip.label for one in shown) < SHOWN:
            shown.append(_picture(clip, features, found))
    total = len(clips)
    return {
        "methods": list(how.methods),
        "clips": total,
        "draws": how.draws,
        "bands_hz": _centres(model.manifest.features),
        "by_label": {
            name: {
                label: [round(float(v), 5) for v in np.mean(rows, axis=0)]
                for label, rows in own.items()
            }
            for name, own in by_label.items()
        },
        "deletion": [
            {"share": share}
            | {
                name: _percent(own[share], total * (how.draws if name == RANDOM else 1))
                for name, own in curves.items()
            }
            for share in SHARES
        ],
        "shown": shown,
    }


def _reader(model: DifferentiableModel) -> Callable[[Tensor], int]:
    def read(features: Tensor) -> int:
        with torch.no_grad():
            return int(model.logits(features).argmax())

    return read


def _count(counts: list[int], read: int, said: int, true: int) -> None:
    counts[0] += read == true
    counts[1] += read == said


def _percent(counts: Sequence[int], total: int) -> dict[str, float]:
    right, kept = (round(100 * count / max(1, total), 2) for count in counts)
    return {"accuracy": right, "same_label": kept}


def _picture(clip: Clip, features: Tensor, found: Mapping[str, Map]) -> dict[str, Any]:
    """A clip for the report: every second frame, in whole thousandths of the largest."""
    return {
        "clip": clip.path.name,
        "label": clip.label,
        "features": features[0, ::2].numpy().round(2).T.tolist(),
        "attribution": {
            name: (values[::2] / (float(np.abs(values).max()) or 1.0)).round(3).T.tolist()
            for name, values in found.items()
        },
    }


def _centres(settings: FeatureSettings) -> list[float]:
    """Hz in the middle of each mel band."""
    scale: Literal["htk", "slaney"] = "htk" if settings.kind == "log-mel" else "slaney"
    found = band_centres(settings.mels, settings.low_hz, settings.high_hz, scale)
    return [round(float(hz), 1) for hz in found]
