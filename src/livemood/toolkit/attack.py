"""What `livemood evaluate` asks of a model's gradient: `--attack` and `--explain`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemood.audio.block import Samples
from livemood.model import Model
from livemood.model.registry import find_model
from livemood.training.data.clips import Clip
from livemood.training.data.predictions import Probs
from livemood.training.evaluation.differentiable import open_differentiable
from livemood.training.evaluation.explanation import Explanation, explain
from livemood.training.evaluation.robustness import Attack, robustness


def attacked(
    name: str, encoders: Path | None, model: Model, clips: Sequence[Clip], attack: Attack, seed: int
) -> dict[str, Any]:
    """What `attack` does to `model`, the one called `name`; its copy in torch gives the gradient.

    Raises `UsageError` if what the copy is made of is missing.
    """
    rate = model.manifest.features.sample_rate

    def predict(sound: Samples) -> Probs:
        read = model.predict(sound, rate).probabilities
        return np.array([read[label] for label in model.labels])

    copy = open_differentiable(find_model(name), encoders)
    return robustness(copy, predict, clips, attack, seed)


def explained(
    name: str, encoders: Path | None, clips: Sequence[Clip], how: Explanation, seed: int
) -> dict[str, Any]:
    """Which bands the labels of the model called `name` hang on, by its copy in torch.

    Raises `UsageError` if what the copy is made of is missing.
    """
    return explain(open_differentiable(find_model(name), encoders), clips, how, seed)
