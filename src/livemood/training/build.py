"""From a recipe to a model folder, and from a model folder to figures."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from livemood.errors import UsageError
from livemood.model.manifest import write_manifest
from livemood.training.augment.degradation import NoiseBank
from livemood.training.augment.waveform import Augmenter
from livemood.training.augment.workers import ChangedSound
from livemood.training.data.cache import FeatureCache, SoundCache
from livemood.training.data.dataset import Data
from livemood.training.data.predictions import read_table
from livemood.training.export.int8 import quantize
from livemood.training.export.model_folder import make_manifest, trained_on
from livemood.training.export.onnx import export_onnx
from livemood.training.fit.batches import Examples
from livemood.training.fit.copies import Views
from livemood.training.fit.trainer import CURVE, Fitted, Report, build_network, fit
from livemood.training.fit.validation import Validation
from livemood.training.network.initial_weights import source_scale
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import (
    Where,
    same_recipe,
    versions,
    write_json,
)

log = logging.getLogger(__name__)


def build(
    recipe: Recipe, data: Data, where: Where, run: Path, report: Report | None = None
) -> dict[str, Path]:
    """Train on `data`, export, quantize; the folders of the float32 and the int8 model.

    Raises `UsageError`, before anything is trained, if a card could not be written.
    """
    for part in recipe.corpora:
        trained_on(part)
    fitted, examples = train(recipe, data, where, run, report)
    # Of all epochs, also of those before the run was cut short.
    lines = (run / CURVE).read_text("utf-8").splitlines()
    seconds = sum(json.loads(line)["seconds"] for line in lines)
    folders = {name: run / name for name in ("float32", "int8")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    files = {name: folder / "model.onnx" for name, folder in folders.items()}
    parity = export_onnx(fitted.network, recipe.features.mels, files["float32"])
    log.info("exported; ONNX differs from torch by %.2g at most", parity)
    quantize(files["float32"], files["int8"], _calibration(recipe, examples))
    for name, file in files.items():
        metrics = {"onnx_parity": parity, "training_minutes": round(seconds / 60, 1)}
        manifest = make_manifest(recipe, fitted, file, name, metrics)
        write_manifest(manifest, folders[name])
    return folders


def train(
    recipe: Recipe, data: Data, where: Where, run: Path, report: Report | None = None
) -> tuple[Fitted, Examples]:
    """Train on `data` in the folder `run`, going on from what is there."""
    device = where.torch_device()
    if data.unlabelled and not (recipe.teachers or recipe.distill.table):
        raise UsageError("to learn from unlabelled speech needs distill.teachers or distill.table")
    run.mkdir(parents=True, exist_ok=True)
    data = data.with_validation(recipe.fit.validation, recipe.seed)
    sounds = SoundCache(where.cache, recipe.features.sample_rate)
    data.check(sounds.digest)
    same_recipe(recipe, run)
    write_json(run / "versions.json", versions() | {"device": str(device)})
    cache = FeatureCache(where.cache, recipe.features)
    changed = _changed(recipe, data, where, sounds)
    try:
        examples, *tasks = _examples(recipe, data, where, cache, changed)
        if scale := source_scale(recipe.network, where.sources) or _own_scale(recipe):
            examples.mean, examples.deviation = scale
        for task in tasks:
            task.mean, task.deviation = examples.mean, examples.deviation
        if recipe.augment.views:
            mixed_in = Augmenter(recipe.augment.sound, None, tuple(data.train)).mixed_in
            views = _views(recipe, where, examples, mixed_in)
            for part in (examples, *tasks):
                part.keep(views, 0.5**recipe.fit.kept)
        longest = recipe.features.frames_in(
            round(recipe.fit.longest_s * recipe.features.sample_rate)
        )
        fitted = fit(
            recipe,
            examples,
            where.sources,
            run,
            tasks=tasks,
            validation=Validation(data.validation, recipe.labels, cache, longest)
            if data.validation
            else None,
            device=device,
            report=report,
        )
    finally:
        if changed:
            changed.close()
    return fitted, examples


def _examples(
    recipe: Recipe, data: Data, where: Where, cache: FeatureCache, changed: ChangedSound | None
) -> Iterator[Examples]:
    """Those of the main task, unlabelled ones among them, then those of each further one."""
    clips = [*data.train, *data.unlabelled]
    shares = [*data.shares, *([1.0] * len(data.unlabelled))]
    soft = None
    if recipe.distill.table:
        table = (where.sources or Path()) / recipe.distill.table
        soft = read_table(table, clips, recipe.labels)
        unsaid = int((soft[len(data.train) :].sum(axis=1) == 0).sum())
        if unsaid and not recipe.teachers:
            raise UsageError(
                f"{table} says nothing of {unsaid} unlabelled clips: make it with the same "
                "distill.unlabelled and distill.unlabelled_share"
            )
    parts = (recipe.features, recipe.augment, recipe.fit, cache)
    yield Examples(clips, shares, recipe.labels, *parts, changed=changed, soft=soft)
    for part, (own, own_shares) in zip(recipe.tasks, data.tasks, strict=True):
        yield Examples(own, own_shares, part.labels, *parts, changed=changed)


def _own_scale(recipe: Recipe) -> tuple[float, float] | None:
    """Mean and deviation that the recipe gives features, or none: then those of its clips."""
    scale = recipe.features.mean, recipe.features.deviation
    return None if scale == (0.0, 1.0) else scale


def _views(recipe: Recipe, where: Where, examples: Examples, mixed_in: str) -> Views:
    # Neither how many there are nor what is done to batches of them makes a version another one.
    changes = recipe.augment.model_copy(update={"views": 0, "mixup": 0.0})
    raw = recipe.features.model_copy(update={"mean": 0.0, "deviation": 1.0})
    shared = f"{changes!r} {raw!r} {examples.mean} {examples.deviation}{mixed_in}"
    front = build_network(recipe, where.sources).front
    return Views(where.cache, recipe.augment.views, shared, recipe.seed, front, recipe.fit.kept)


def _changed(recipe: Recipe, data: Data, where: Where, sounds: SoundCache) -> ChangedSound | None:
    if not recipe.augment.sound:
        return None
    noise = NoiseBank(where.corpora / recipe.augment.noise, recipe.augment.noise_folds)
    augmenter = Augmenter(recipe.augment.sound, noise, tuple(data.train))
    return ChangedSound(sounds, augmenter, recipe.features, where.workers)


def _calibration(recipe: Recipe, examples: Examples, count: int = 240) -> list[Any]:
    """Windows of training speakers at the lengths that live windows have."""
    rng = np.random.default_rng(recipe.seed)
    longest = recipe.features.frames_in(round(recipe.fit.longest_s * recipe.features.sample_rate))
    picked = rng.choice(len(examples.features), min(count, len(examples.features)), replace=False)
    return [
        (examples.plain(i)[:longest].astype(np.float32) - examples.mean) / examples.deviation
        for i in picked
    ]
