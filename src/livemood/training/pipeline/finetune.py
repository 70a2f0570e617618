"""Finetuning runs: a pretrained encoder once, or once for each fold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livemood.errors import UsageError
from livemood.training.data.clips import Clip
from livemood.training.data.dataset import Dataset
from livemood.training.data.folds import Fold, check_classes, chosen_folds
from livemood.training.data.predictions import Probs, Truth, write_soft_labels
from livemood.training.evaluation.cross_validation import corpus_figures, crossvalidation_figures
from livemood.training.fit.trainer import Report
from livemood.training.network.checkpoint import SOFT_LABELS, is_run
from livemood.training.pretrained.finetune import Finetuning, finetune
from livemood.training.recipe.schema import Recipe
from livemood.training.recipe.sections import FitSection
from livemood.training.run_folder import Workspace, begin_run, write_json


def finetune_folds(
    recipe: Recipe,
    data: Dataset,
    folds: Sequence[Fold],
    workspace: Workspace,
    out: Path,
    report: Report | None = None,
    only: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Finetune the encoder once for each fold, without its speakers; figures on them, in percent.

    Each fold's folder has `soft_labels.csv`, for `distill.soft_labels`: for each clip of
    the other speakers the mean prediction over its copies, and for each clip of the
    `distill.unlabelled` corpora the prediction for it as it was recorded. `out/soft_labels.csv` has
    the prediction for each clip by the encoder that was finetuned without its speaker. Speakers
    that the recipe holds out take no part. With `only` the folds of these names are finetuned and
    nothing is measured yet. `{fold}` in the recipe and in the folder of encoders is the name of the
    fold. Raises `UsageError` for a recipe that does not say what is to be finetuned.
    """
    data = data.for_folds(folds)
    _check(recipe)
    if is_run(out):
        raise UsageError(f"{out} holds an encoder finetuned without folds: choose another --out")
    predictions: list[tuple[Truth, Probs]] = []
    rows: list[tuple[Clip, Probs]] = []
    for fold in chosen_folds(folds, only):
        part, there = data.without(fold.speakers), workspace.for_fold(fold.slug)
        own, run = recipe.for_fold(fold.slug), out / f"fold{fold.slug}"
        truth, probabilities = _finetuned(own, part, there, run, report)
        predictions.append((truth, probabilities))
        rows += zip(part.test, probabilities, strict=True)
    if only:
        return None
    write_soft_labels(out / SOFT_LABELS, recipe.labels, rows)
    figures = crossvalidation_figures({"float32": predictions}, recipe.labels, recipe.seed)
    figures |= {"folds": [fold.name for fold in folds]}
    write_json(out / "figures.json", figures)
    return figures


def finetune_once(
    recipe: Recipe, data: Dataset, workspace: Workspace, out: Path, report: Report | None = None
) -> dict[str, Any] | None:
    """Finetune the encoder on all clips but those of held-out speakers: `out` is then an encoder.

    Its `soft_labels.csv` is what a fold's folder has. Figures are those of held-out speakers, in
    percent; without any nothing is measured. Raises `UsageError` as `finetune_folds` does.
    """
    _check(recipe)
    if any(out.glob("fold*")):
        raise UsageError(f"{out} holds folds of a finetuned encoder: choose another --out")
    if data.test:
        check_classes(data.train, data.test)
    truth, probabilities = _finetuned(recipe, data, workspace, out, report)
    if not data.test:
        return None
    models = {"float32": {"corpora": corpus_figures(truth, probabilities, data.test)}}
    figures = {"measured_on": "held-out", "labels": recipe.labels, "models": models}
    write_json(out / "figures.json", figures)
    return figures


def _check(recipe: Recipe) -> None:
    if not recipe.network.pretrained or not recipe.augment.copies:
        raise UsageError(
            "to finetune an encoder a recipe names it, network.pretrained, and augment.copies"
        )
    usual = FitSection()
    for name in (
        "validation_share",
        "patience",
        "layer_lr_decay",
        "unfreeze_every",
        "frozen_blocks",
        "head_lr_scale",
    ):
        if getattr(recipe.fit, name) != getattr(usual, name):
            raise UsageError(f"finetuning an encoder knows no fit.{name}: leave it out")
    if recipe.tasks or recipe.distill.all_teachers or recipe.distill.soft_labels:
        raise UsageError(
            "finetuning an encoder knows no tasks, teachers or soft labels: leave them out"
        )


def _finetuned(
    recipe: Recipe, data: Dataset, workspace: Workspace, run: Path, report: Report | None
) -> tuple[Truth, Probs]:
    """Finetune on `data`, going on from what is in `run`; predictions for its test clips."""
    begin_run(run, recipe.model_dump_json(indent=2), workspace.torch_device())
    data.check_sounds(workspace.cache, recipe.features.sample_rate)
    sections = (recipe.features, recipe.network, recipe.augment, recipe.fit)
    return finetune(Finetuning(*sections, recipe.labels, recipe.seed), data, workspace, run, report)
