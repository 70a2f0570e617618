"""From a recipe to model folders: training, export, quantization."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from livemood.errors import UsageError
from livemood.training.data.dataset import Dataset
from livemood.training.export.model_folder import check_licences, export_models
from livemood.training.fit.curves import training_minutes, write_curves
from livemood.training.fit.network_trainer import (
    DistillationTrainer,
    NetworkTrainer,
    Trained,
    TrainingData,
    put_on,
)
from livemood.training.fit.preparation import Preparation
from livemood.training.fit.teacher import load_soft_labels, load_teacher
from livemood.training.fit.trainer import Report
from livemood.training.network.base import EmotionNetwork
from livemood.training.network.kinds import load_pretrained, make_network, pretrained_scale
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import Workspace, begin_run


def build(
    recipe: Recipe, data: Dataset, workspace: Workspace, run: Path, report: Report | None = None
) -> dict[str, Path]:
    """Train on `data`, export, quantize; the folders of the float32 and the int8 model.

    Of several processes that train together the first does what follows the training; the others
    return no folders.
    Raises `UsageError`, before anything is trained, if a card could not be written.
    """
    check_licences(recipe.corpora)
    trained = train(recipe, data, workspace, run, report)
    if not workspace.processes.first:
        return {}
    write_curves(run)
    examples = trained.examples
    scale = {"mean": examples.mean, "deviation": examples.deviation}
    return export_models(
        trained.network,
        recipe.features.model_copy(update=scale),
        recipe.fit,
        recipe.info,
        _calibration(recipe, trained),
        run,
        {"training_minutes": training_minutes(run)},
    )


def train(
    recipe: Recipe, data: Dataset, workspace: Workspace, run: Path, report: Report | None = None
) -> Trained:
    """Train on `data` in the folder `run`, going on from what is there."""
    device = workspace.torch_device()
    distill, fit, encoders = recipe.distill, recipe.fit, workspace.encoders
    if data.unlabelled and not (distill.all_teachers or distill.soft_labels):
        raise UsageError(
            "to learn from unlabelled speech needs distill.teachers or distill.soft_labels"
        )
    data = data.with_validation(fit.validation_share, recipe.seed)
    data.check_sounds(workspace.cache, recipe.features.sample_rate)
    with workspace.processes.first_alone():
        begin_run(run, recipe.model_dump_json(indent=2), device)
    sections = (recipe.features, recipe.augment, fit)
    with Preparation(*sections, workspace, data.train) as preparation:
        learnt = _training_data(recipe, data, workspace, preparation)
        teacher = load_teacher(distill, recipe.labels, recipe.features.mels, encoders)
        width = teacher.width if teacher and distill.feature_weight else 0
        network = put_on(build_network(recipe, encoders, width), device)
        if teacher and recipe.augment.copies:
            teacher.check_frozen_blocks(network.encoder, fit.cached_blocks)
        parts = (learnt, fit, distill)
        more: dict[str, Any] = {"seed": recipe.seed, "run": run, "report": report}
        more["processes"] = workspace.processes
        trainer = (
            DistillationTrainer(network, teacher, *parts, **more)
            if teacher
            else NetworkTrainer(network, *parts, **more)
        )
        return Trained(trainer.train(), learnt.examples)


def build_network(recipe: Recipe, encoders: Path | None, teacher_width: int = 0) -> EmotionNetwork:
    """The recipe's network, seeded, with pretrained weights if it names any."""
    torch.manual_seed(recipe.seed)
    tasks = [len(task.labels) for task in recipe.tasks]
    mels = recipe.features.mels
    network = make_network(recipe.network, mels, len(recipe.labels), tasks, teacher_width)
    load_pretrained(network, mels, encoders)
    return network


def _training_data(
    recipe: Recipe, data: Dataset, workspace: Workspace, preparation: Preparation
) -> TrainingData:
    """Clips of the main task, unlabelled ones among them, and those of each further one."""
    soft_labels = load_soft_labels(recipe.distill, data, recipe.labels, workspace.encoders)
    shares = [*data.shares, *([1.0] * len(data.unlabelled))]
    clips = [*data.train, *data.unlabelled]
    examples = preparation.training_set(clips, shares, recipe.labels, soft_labels)
    if scale := pretrained_scale(recipe.network, workspace.encoders) or recipe.feature_scale:
        examples.mean, examples.deviation = scale
    tasks = [
        preparation.training_set(*own, task.labels)
        for own, task in zip(data.tasks, recipe.tasks, strict=True)
    ]
    for task in tasks:
        task.mean, task.deviation = examples.mean, examples.deviation
    if recipe.augment.copies:
        encoder: Any = build_network(recipe, workspace.encoders).encoder
        scale = examples.mean, examples.deviation
        copies = preparation.copies(encoder, scale, recipe.seed)
        for each in (examples, *tasks):
            each.draw_from(copies, 0.5**recipe.fit.cached_blocks)
    validation = preparation.validation(data.validation, recipe.labels, recipe.longest_frames)
    return TrainingData(examples, tasks, [task.weight for task in recipe.tasks], validation)


def _calibration(recipe: Recipe, trained: Trained, count: int = 240) -> list[Any]:
    """Windows of training speakers at the lengths that live windows have."""
    rng = np.random.default_rng(recipe.seed)
    examples, longest = trained.examples, recipe.longest_frames
    picked = rng.choice(len(examples.features), min(count, len(examples.features)), replace=False)
    return [
        (examples.plain(i)[:longest].astype(np.float32) - examples.mean) / examples.deviation
        for i in picked
    ]
