"""Predictions of models on clips."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from livemood.audio.block import Samples
from livemood.model import Model, load_model
from livemood.training.data.clips import Clip, read_clip
from livemood.training.data.predictions import Probs, Truth
from livemood.training.network.kinds import load_trained
from livemood.training.recipe.sections import NetworkSection


def predict_clips(
    model: Model,
    clips: Iterable[Clip],
    change: Callable[[Samples, str], Samples] | None = None,
    rated: list[tuple[float, ...]] | None = None,
) -> tuple[Truth, Probs]:
    """True labels and predicted probabilities through the product's own `predict`.

    `change` is what happens to a clip's sound before, given that sound and the clip's file name.
    `rated` is given valence, arousal and, if the model learnt it, dominance of each clip.
    """
    rate = model.manifest.features.sample_rate
    truth, rows = [], []
    for clip in clips:
        sound = read_clip(clip, rate)
        prediction = model.predict(change(sound, clip.path.name) if change else sound, rate)
        rows.append([prediction.probabilities[label] for label in model.labels])
        truth.append(model.labels.index(clip.label))
        if rated is not None:
            more = () if prediction.dominance is None else (prediction.dominance,)
            rated.append((prediction.valence, prediction.arousal, *more))
    return np.array(truth), np.array(rows)


def predict_bidirectional(
    section: NetworkSection, run: Path, folder: Path, clips: Iterable[Clip]
) -> tuple[Truth, Probs]:
    """The same by the bidirectional head of `run`, in torch; `folder` holds the model beside it."""
    model = load_model(folder, "cpu")
    network = load_trained(section, model.manifest.features.mels, len(model.labels), run)
    rate = model.manifest.features.sample_rate
    truth, rows = [], []
    for clip in clips:
        windows = torch.from_numpy(np.stack(model.windows(read_clip(clip, rate), rate)))
        with torch.no_grad():
            rows.append(network.heads(windows)[1].softmax(1).mean(0).double().numpy())
        truth.append(model.labels.index(clip.label))
    return np.array(truth), np.array(rows)
