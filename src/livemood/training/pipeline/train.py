"""Training runs: one training and what it gives, or one for each fold."""

import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livemood.training.data.dataset import Dataset
from livemood.training.data.folds import Fold, check_classes, chosen_folds
from livemood.training.evaluation.cross_validation import (
    Predictions,
    crossvalidation_figures,
    held_out_figures,
)
from livemood.training.evaluation.model_card import write_model_card
from livemood.training.evaluation.precision import choose_precision
from livemood.training.evaluation.predict import predict_bidirectional, predict_clips
from livemood.training.export.model_folder import finish
from livemood.training.fit.trainer import Report
from livemood.training.pipeline.kinds import build_models
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import Workspace, write_json


def train_once(
    recipe: Recipe, data: Dataset, workspace: Workspace, out: Path, report: Report | None = None
) -> dict[str, Any] | None:
    """Train, measure on held-out speakers, choose the precision: figures, also in `figures.json`.

    `out/model` is the model that was chosen. Without held-out speakers those of the validation
    decide, and figures are theirs; with neither, int8 is chosen for its speed alone. Of several
    processes that train together the first measures; the others return nothing.
    """
    if data.test:
        check_classes(data.train, data.test)
    folders = build_models(recipe, data, workspace, out, report)
    if not workspace.processes.first:
        return None
    tested = data.test or data.with_validation(recipe.fit.validation_share, recipe.seed).validation
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
        from livemood.training.evaluation.statistics import measure_model  # takes seconds to load

        evaluation = measure_model(chosen, tested, recipe.seed)
        write_json(out / "evaluation.json", evaluation)
    write_model_card(chosen, recipe.info, evaluation)
    return figures


def train_folds(
    recipe: Recipe,
    data: Dataset,
    folds: Sequence[Fold],
    workspace: Workspace,
    out: Path,
    report: Report | None = None,
    only: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Train once for each fold without its speakers, measure on them; figures over all folds.

    `{fold}` in the recipe and in the folder of encoders becomes the name of the fold: an encoder or
    a teacher that was itself trained by fold has then not learnt from the speakers it is measured
    on. Speakers that the recipe holds out take no part, whatever folds decide. With `only` the
    folds of these names are trained and nothing is measured yet: several processes or machines can
    share the folds, and a run over all of them then finds them trained.
    """
    data = data.for_folds(folds)
    predictions: dict[str, list[Predictions]] = defaultdict(list)
    for fold in chosen_folds(folds, only):
        part, run = data.without(fold.speakers), out / f"fold{fold.slug}"
        own, there = recipe.for_fold(fold.slug), workspace.for_fold(fold.slug)
        folders = build_models(own, part, there, run, report)
        if only or not workspace.processes.first:
            continue
        for name, folder in folders.items():
            predictions[name].append(predict_clips(finish(folder, 1.0, {}), part.test))
        if recipe.network.bidirectional:
            found = predict_bidirectional(own.network, run, folders["float32"], part.test)
            predictions["bidirectional"].append(found)
    if only or not workspace.processes.first:
        return None
    names = [fold.name for fold in folds]
    figures = crossvalidation_figures(predictions, recipe.labels, recipe.seed) | {"folds": names}
    write_json(out / "figures.json", figures)
    return figures
