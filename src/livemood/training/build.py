"""From a recipe to a model folder, and from a model folder to figures."""

import hashlib
import json
import logging
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from livemood.audio.block import Samples
from livemood.model.labels import CIRCUMPLEX
from livemood.model.manifest import Manifest, Network, TrainedOn, Window, write_manifest
from livemood.model.model import Model, load_model
from livemood.training.cache import FeatureCache
from livemood.training.clips import Clip, read_clip
from livemood.training.corpora import read_corpus, split_by_speaker
from livemood.training.examples import Examples
from livemood.training.export import export_onnx, quantize
from livemood.training.fit import Fitted, fit, load_fitted
from livemood.training.metrics import Probs, Truth
from livemood.training.network import DcRnn
from livemood.training.recipe import Recipe
from livemood.training.sources import source_scale

log = logging.getLogger(__name__)

CORPORA = {
    "ravdess": TrainedOn(
        corpus="RAVDESS", licence="CC BY-NC-SA 4.0", reference="Livingstone & Russo 2018"
    ),
    "nemo": TrainedOn(corpus="nEMO", licence="CC BY-NC-SA 4.0", reference="Christop 2024"),
    "tess": TrainedOn(
        corpus="TESS", licence="CC BY-NC-ND 4.0", reference="Pichora-Fuller & Dupuis 2020"
    ),
    "emospeech-in": TrainedOn(
        corpus="emospeech-in", licence="CC BY-NC-SA 4.0", reference="Banga 2019"
    ),
}
LICENCE = "CC BY-NC-SA 4.0"
"""Terms of a model trained on these corpora: none allows commercial use."""


def corpus_clips(recipe: Recipe, corpora: Path) -> tuple[list[Clip], list[float], list[Clip]]:
    """Training clips, the share of each to draw an epoch, and the clips of held-out speakers."""
    train: list[Clip] = []
    shares: list[float] = []
    test: list[Clip] = []
    for part in recipe.corpora:
        clips = read_corpus(corpora / part.name, recipe.label_map, recipe.labels)
        kept, held_out = split_by_speaker(clips, part.held_out)
        train += kept
        shares += [part.share] * len(kept)
        test += held_out
    return train, shares, test


def build(
    recipe: Recipe,
    clips: Sequence[Clip],
    shares: Sequence[float],
    sources: Path | None,
    cache: Path,
    run: Path,
) -> dict[str, Path]:
    """Train on `clips`, export, quantize; the folders of the float32 and the int8 model."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", "utf-8")
    examples = Examples(
        clips,
        shares,
        recipe.labels,
        recipe.features,
        recipe.augment,
        recipe.fit,
        FeatureCache(cache, recipe.features),
    )
    if scale := source_scale(recipe.network, sources):
        examples.mean, examples.deviation = scale
    fitted = fit(recipe, examples, sources, run)
    folders = {name: run / name for name in ("float32", "int8")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    files = {name: folder / "model.onnx" for name, folder in folders.items()}
    parity = export_onnx(fitted.network, recipe.features.mels, files["float32"])
    log.info("exported; ONNX differs from torch by %.2g at most", parity)
    quantize(files["float32"], files["int8"], _calibration(recipe, examples))
    for name, file in files.items():
        manifest = _manifest(recipe, fitted, file, name, {"onnx_parity": parity})
        write_manifest(manifest, folders[name])
    return folders


def predict_clips(
    model: Model, clips: Iterable[Clip], change: Callable[[Samples, str], Samples] | None = None
) -> tuple[Truth, Probs]:
    """True labels and predicted probabilities through the product's own `predict`.

    `change` is what happens to a clip's sound before, given that sound and the clip's file name.
    """
    rate = model.manifest.features.sample_rate
    truth, rows = [], []
    for clip in clips:
        sound = read_clip(clip, rate)
        prediction = model.predict(change(sound, clip.path.name) if change else sound, rate)
        rows.append([prediction.probabilities[label] for label in model.labels])
        truth.append(model.labels.index(clip.label))
    return np.array(truth), np.array(rows)


def predict_compared(
    recipe: Recipe, run: Path, folder: Path, clips: Iterable[Clip]
) -> tuple[Truth, Probs]:
    """The same by the head that `run` trained for comparison, in torch; `folder` holds its twin."""
    model, network = load_model(folder, "cpu"), load_fitted(recipe, run)
    rate = model.manifest.features.sample_rate
    truth, rows = [], []
    for clip in clips:
        windows = torch.from_numpy(np.stack(model.windows(read_clip(clip, rate), rate)))
        with torch.no_grad():
            rows.append(network.heads(windows)[1].softmax(1).mean(0).double().numpy())
        truth.append(model.labels.index(clip.label))
    return np.array(truth), np.array(rows)


def finish(folder: Path, temperature: float, metrics: dict[str, Any]) -> Model:
    """Write temperature and figures into the manifest of the model in `folder`; load it again."""
    manifest = load_model(folder, "cpu").manifest
    merged = {**manifest.metrics, **metrics}
    write_manifest(
        manifest.model_copy(update={"temperature": temperature, "metrics": merged}), folder
    )
    return load_model(folder, "cpu")


def _calibration(recipe: Recipe, examples: Examples, count: int = 240) -> list[Any]:
    """Windows of training speakers at the lengths that live windows have."""
    rng = np.random.default_rng(recipe.seed)
    longest = recipe.features.frames_in(round(recipe.fit.longest_s * recipe.features.sample_rate))
    picked = rng.choice(len(examples.features), min(count, len(examples.features)), replace=False)
    plain = recipe.augment.speeds.index(1.0)
    return [
        (examples.features[i][plain][:longest].astype(np.float32) - examples.mean)
        / examples.deviation
        for i in picked
    ]


def _manifest(
    recipe: Recipe, fitted: Fitted, file: Path, precision: str, metrics: dict[str, Any]
) -> Manifest:
    unplaced = set(recipe.labels) - set(CIRCUMPLEX)
    if unplaced:
        log.warning("no circumplex coordinates for %s: they count as neutral", sorted(unplaced))
    features = recipe.features.model_copy(
        update={"mean": fitted.mean, "deviation": fitted.deviation}
    )
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    return Manifest.model_validate(
        {
            "schema": "livemood.model/1",
            "name": recipe.name,
            "version": recipe.version,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "precision": precision,
            "parameters": sum(p.numel() for p in fitted.network.parameters()),
            "labels": recipe.labels,
            "features": features.model_dump(),
            "network": Network(
                step_frames=DcRnn.step_frames,
                context_frames=DcRnn.context_frames,
                kept_frames=DcRnn.kept_frames,
            ).model_dump(),
            "window": Window(
                shortest_s=recipe.fit.shortest_s, longest_s=recipe.fit.longest_s
            ).model_dump(),
            "temperature": 1.0,
            # Training weights every label the same, so that is what probabilities assume.
            "priors": [1 / len(recipe.labels)] * len(recipe.labels),
            "trained_on": [CORPORA[part.name].model_dump() for part in recipe.corpora],
            "licence": LICENCE,
            "metrics": {**metrics, "seed": recipe.seed, "made_with": versions},
        }
    )


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write `content` as indented JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
