"""Whole runs: one training and what it gives, or one for each fold."""

import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemood.model import Model, load_model
from livemood.training.build import build
from livemood.training.data.dataset import Data
from livemood.training.data.folds import Fold, check_classes, check_names
from livemood.training.data.predictions import Probs, Truth
from livemood.training.evaluation.cross_validation import (
    crossvalidation_figures,
    deviation,
    held_out_figures,
)
from livemood.training.evaluation.metrics import confusion_matrix, uar
from livemood.training.evaluation.model_card import write_run_card
from livemood.training.evaluation.predict import predict_clips, predict_compared
from livemood.training.export.model_folder import finish
from livemood.training.fit.curves import write_curves
from livemood.training.fit.trainer import Report
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import Where, of_fold, write_json

MOST_LOST = 0.5
"""Points of UAR that int8 may lose against float32 to be chosen."""


def train_once(
    recipe: Recipe, data: Data, where: Where, out: Path, report: Report | None = None
) -> dict[str, Any]:
    """Train, measure on held-out speakers, choose the precision: figures, also in `figures.json`.

    `out/model` is the model that was chosen. Without held-out speakers those of the validation
    decide, and figures are theirs; with neither, int8 is chosen for its speed alone.
    """
    if data.test:
        check_classes(data.train, data.test)
    folders = build(recipe, data, where, out, report)
    write_curves(out)
    tested = data.test or data.with_validation(recipe.fit.validation, recipe.seed).validation
    figures: dict[str, Any] = {"measured_on": "held-out" if data.test else "validation"}
    if tested:
        figures["models"] = held_out_figures(folders, tested)
        for name, folder in folders.items():
            own = figures["models"][name]
            key = "held_out" if data.test else "validation"
            finish(folder, own["temperature"], {key: own})
    figures["choice"] = choose_precision(folders, tested)
    chosen = out / "model"
    shutil.rmtree(chosen, ignore_errors=True)
    shutil.copytree(folders[figures["choice"]["chosen"]], chosen)
    write_json(out / "figures.json", figures)
    evaluation = None
    if tested:
        from livemood.training.evaluation.statistics import (
            figures as measure,
        )  # takes seconds to load

        model = load_model(chosen, "cpu")
        evaluation = measure(*predict_clips(model, tested), tested, model.labels, recipe.seed)
        write_json(out / "evaluation.json", evaluation)
    write_run_card(chosen, recipe, evaluation)
    return figures


def train_folds(
    recipe: Recipe,
    data: Data,
    folds: list[Fold],
    where: Where,
    out: Path,
    report: Report | None = None,
    only: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Train once for each fold without its speakers, measure on them; figures over all folds.

    `{fold}` in the recipe and in the folder of sources becomes the name of the fold: a source or a
    teacher that was itself trained by fold has then not heard the speakers it is measured on.
    Speakers that the recipe holds out take no part: they stay unheard, whatever folds decide.
    With `only` the folds of these names are trained and nothing is measured yet: several processes
    or machines can share the folds, and a run over all of them then finds them trained.
    """
    data = data.for_folds(folds)
    check_names(only, folds)
    if only:
        for fold in folds:
            if fold.name in only:
                _train_fold(recipe, data.without(fold.speakers), fold, where, out, report)
        return None
    predictions: dict[str, list[tuple[Truth, Probs]]] = defaultdict(list)
    names: list[str] = []
    for fold in folds:
        part = data.without(fold.speakers)
        run, folders = _train_fold(recipe, part, fold, where, out, report)
        names.append(fold.name)
        for name, folder in folders.items():
            predictions[name].append(predict_clips(finish(folder, 1.0, {}), part.test))
        if recipe.network.bidirectional:
            compared = predict_compared(recipe, run, folders["float32"], part.test)
            predictions["bidirectional"].append(compared)
    figures = crossvalidation_figures(predictions, recipe.labels, recipe.seed)
    for values in figures["models"].values():
        values["uar_deviation"] = deviation(values["uar_by_fold"])
    write_json(out / "figures.json", figures | {"folds": names})
    return figures


def _train_fold(
    recipe: Recipe, data: Data, fold: Fold, where: Where, out: Path, report: Report | None
) -> tuple[Path, dict[str, Path]]:
    """Train on `data`, which lacks the fold's speakers: the run's folder, and the models'."""
    run = out / f"fold{fold.name}"
    own, there = of_fold(recipe, where, fold.name)
    folders = build(own, data, there, run, report)
    write_curves(run)
    return run, folders


def choose_precision(folders: Mapping[str, Path], clips: list[Any]) -> dict[str, Any]:
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


def summary(figures: Mapping[str, Any]) -> str:
    """The figures of a run as a person wants to see them first."""
    lines = []
    for name, values in figures.get("models", {}).items():
        if "uar_by_fold" in values:
            lines.append(
                f"{name:14} UAR {values['uar']:.2f} ± {values['uar_deviation']:.2f} % over folds: "
                + ", ".join(f"{x:.1f}" for x in values["uar_by_fold"])
            )
        else:
            corpora = (f"{c} {v['uar']:.1f}" for c, v in values["corpora"].items())
            lines.append(f"{name:14} UAR {', '.join(corpora)} %")
    if choice := figures.get("choice"):
        lines.append(f"chosen: {choice['chosen']}, {choice['milliseconds']} ms a window")
    return "\n".join(lines)
