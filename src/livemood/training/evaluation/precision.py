"""Which of the float32 and the int8 model is shipped."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemood.model import Model, load_model
from livemood.training.data.clips import Clip
from livemood.training.evaluation.metrics import confusion_matrix, uar
from livemood.training.evaluation.predict import predict_clips

MOST_LOST = 0.5
"""Points of UAR that int8 may lose against float32 to be chosen."""


def choose_precision(folders: Mapping[str, Path], clips: Sequence[Clip]) -> dict[str, Any]:
    """Which of float32 and int8 is shipped: int8 only if it is faster and loses at most 0.5 points.

    Both are loaded and timed in turns in this process: milliseconds for a window of full length.
    """
    models = {name: load_model(folder, "cpu") for name, folder in folders.items()}
    times = milliseconds(models)
    out: dict[str, Any] = {"milliseconds": {n: round(t, 3) for n, t in times.items()}}
    lost = 0.0
    if clips:
        scores = {
            name: 100 * uar(confusion_matrix(*predict_clips(model, clips)))
            for name, model in models.items()
        }
        out["uar"] = {name: round(score, 2) for name, score in scores.items()}
        lost = scores["float32"] - scores["int8"]
    faster = times["int8"] < times["float32"]
    out["chosen"] = "int8" if faster and lost <= MOST_LOST else "float32"
    return out


def milliseconds(models: Mapping[str, Model], rounds: int = 60) -> dict[str, float]:
    """Median time of each model for one full window, measured in turns."""
    window = next(iter(models.values())).manifest.window.longest_s
    times: dict[str, list[float]] = defaultdict(list)
    for turn in range(rounds + 3):
        for name, model in models.items():
            features = model.manifest.features
            frames = features.frames_in(round(window * features.sample_rate))
            sound = np.zeros((frames, features.mels), np.float32)
            began = time.perf_counter()
            model.classify([sound])
            if turn >= 3:
                times[name].append(1000 * (time.perf_counter() - began))
    return {name: float(np.median(values)) for name, values in times.items()}
