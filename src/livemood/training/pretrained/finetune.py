"""Training the upper layers of a source model, and writing down what it then says of clips."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from livemood.errors import UsageError
from livemood.training.augment.degradation import NoiseBank
from livemood.training.augment.waveform import Augmenter
from livemood.training.data.cache import FeatureCache, SoundCache
from livemood.training.data.clips import Clip
from livemood.training.data.dataset import Data
from livemood.training.data.folds import Fold, check_classes, check_names
from livemood.training.data.predictions import Probs, Truth, write_predictions
from livemood.training.evaluation.cross_validation import (
    corpus_figures,
    crossvalidation_figures,
    deviation,
)
from livemood.training.fit.batches import Examples
from livemood.training.fit.losses import by_label, fast_bfloat16
from livemood.training.fit.trainer import Report, State, begin
from livemood.training.network.checkpoint import CHECKPOINT, TABLE, is_run
from livemood.training.pretrained.base import SourceModel
from livemood.training.pretrained.registry import heard, open_source
from livemood.training.pretrained.trainable import SoundViews, Tuned
from livemood.training.recipe.schema import FitPart, Recipe
from livemood.training.run_folder import Where, of_fold, same_recipe, versions, write_json


def tune_folds(
    recipe: Recipe,
    data: Data,
    folds: Sequence[Fold],
    where: Where,
    out: Path,
    report: Report | None = None,
    only: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Tune the source once for each fold, without its speakers; figures on them, in percent.

    Each fold's folder has `table.csv`, for `distill.table`: the mean of what is said of all
    versions of each clip of the other speakers, and what is said of each clip of
    `distill.unlabelled` corpora as it was recorded. `out/table.csv` has what is said of each
    clip, as it was recorded, by the source that was tuned without its speaker. Speakers that the
    recipe holds out take no part. With `only` the folds of these names are tuned and nothing is
    measured yet. `{fold}` in the recipe and in the folder of sources is the name of the fold.
    Raises `UsageError` for a recipe that does not say what is to be tuned.
    """
    data = data.for_folds(folds)
    check_names(only, folds)
    _check(recipe)
    if is_run(out):
        raise UsageError(f"{out} holds a source tuned without folds: choose another --out")
    predictions: list[tuple[Truth, Probs]] = []
    told: list[tuple[Clip, Probs]] = []
    for fold in folds:
        if only and fold.name not in only:
            continue
        part = data.without(fold.speakers)
        own, there = of_fold(recipe, where, fold.name)
        truth, said = _tuned(own, part, there, out / f"fold{fold.name}", report)
        predictions.append((truth, said))
        told += zip(part.test, said, strict=True)
    if only:
        return None
    write_predictions(out / TABLE, recipe.labels, told)
    figures = crossvalidation_figures({"float32": predictions}, recipe.labels, recipe.seed)
    for values in figures["models"].values():
        values["uar_deviation"] = deviation(values["uar_by_fold"])
    write_json(out / "figures.json", figures | {"folds": [fold.name for fold in folds]})
    return figures


def tune_once(
    recipe: Recipe, data: Data, where: Where, out: Path, report: Report | None = None
) -> dict[str, Any] | None:
    """Tune the source on all clips but those of held-out speakers: `out` is then a source itself.

    Its `table.csv` is what a fold's folder has. Figures are those of held-out speakers, in percent;
    without any nothing is measured. Raises `UsageError` as `tune_folds` does.
    """
    _check(recipe)
    if any(out.glob("fold*")):
        raise UsageError(f"{out} holds folds of a tuned source: choose another --out")
    if data.test:
        check_classes(data.train, data.test)
    truth, said = _tuned(recipe, data, where, out, report)
    if not data.test:
        return None
    models = {"float32": {"corpora": corpus_figures(truth, said, data.test)}}
    figures = {"measured_on": "held-out", "labels": recipe.labels, "models": models}
    write_json(out / "figures.json", figures)
    return figures


def _check(recipe: Recipe) -> None:
    if not recipe.network.source or not recipe.augment.views:
        raise UsageError("to tune a source a recipe names it, network.source, and augment.views")
    fit, usual = recipe.fit, FitPart()
    for name in ("validation", "patience", "layer_decay", "unfreeze_every", "frozen", "head_rate"):
        if getattr(fit, name) != getattr(usual, name):
            raise UsageError(f"tuning a source knows no fit.{name}: leave it out")
    if recipe.tasks or recipe.teachers or recipe.distill.table:
        raise UsageError("tuning a source knows no tasks, teachers or tables: leave them out")


def _tuned(
    recipe: Recipe, data: Data, where: Where, run: Path, report: Report | None
) -> tuple[Truth, Probs]:
    """Tune on `data`, going on from what is in `run`; what is said of its test clips."""
    run.mkdir(parents=True, exist_ok=True)
    same_recipe(recipe, run)
    device = where.torch_device()
    write_json(run / "versions.json", versions() | {"device": str(device)})
    sounds = SoundCache(where.cache, recipe.features.sample_rate)
    data.check(sounds.digest)
    source = open_source(str(recipe.network.source), where.sources)
    tested = {clip.speaker for clip in data.test}
    if known := sorted(tested & heard(str(recipe.network.source), where.sources)):
        raise UsageError(
            f"{recipe.network.source} has heard {known[0]}, who is to be measured: tune it first "
            "without these speakers ({fold} in its name is the fold's)"
        )
    views = _views(recipe, data, where, sounds, source)
    parts = (
        recipe.features,
        recipe.augment,
        recipe.fit,
        FeatureCache(where.cache, recipe.features),
    )
    examples = Examples(data.train, data.shares, recipe.labels, *parts)
    features = recipe.features
    examples.keep(views, views.rows_a_second * features.hop_length / features.sample_rate)
    torch.manual_seed(recipe.seed)
    network = Tuned(source, len(recipe.labels), recipe.network.dropout).to(device)
    network = _fit(recipe, network, examples, run, report)
    if not (run / TABLE).is_file():
        told = [(clip, views.count) for clip in data.train]
        told += [(clip, 1) for clip in data.unlabelled]
        said = ((clip, _said(network, views, clip, range(count))) for clip, count in told)
        write_predictions(run / TABLE, recipe.labels, said)
    truth = np.array([recipe.labels.index(clip.label) for clip in data.test])
    return truth, np.array([_said(network, views, clip, range(1)) for clip in data.test])


def _views(
    recipe: Recipe, data: Data, where: Where, sounds: SoundCache, source: SourceModel
) -> SoundViews:
    augment, augmenter = recipe.augment, None
    if augment.sound:
        noise = NoiseBank(where.corpora / augment.noise, augment.noise_folds)
        augmenter = Augmenter(augment.sound, noise, tuple(data.train))
    shared = f"{augment.sound!r} {augment.speeds} {recipe.seed}"
    if augmenter:
        shared += f" {augment.noise} {augment.noise_folds}{augmenter.mixed_in}"
    # What the layers below give is theirs, whatever the source is called and however it was tuned.
    sound = torch.randn(1, source.sample_rate, generator=torch.Generator().manual_seed(0)) * 0.1
    with torch.no_grad():
        shared += hashlib.sha256(source.below(sound)[0].numpy().tobytes()).hexdigest()
    folder = where.cache / f"tuned-{hashlib.sha256(shared.encode()).hexdigest()[:12]}"
    return SoundViews(folder, source, sounds, augmenter, augment.speeds, augment.views, recipe.seed)


def _fit(
    recipe: Recipe, network: Tuned, examples: Examples, run: Path, report: Report | None
) -> Tuned:
    """Train it as `recipe.fit` says, or go on; the mean of its weights."""
    rate, device = recipe.fit.learning_rate, next(network.parameters()).device
    groups = [
        {"params": list(network.source.parameters()), "lr": rate * recipe.fit.source_rate},
        {"params": list(network.head.parameters()), "lr": rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.fit.weight_decay)
    state: State = begin(recipe, network, optimizer)
    if (run / CHECKPOINT).is_file():
        state.load(run / CHECKPOINT)
    while state.epoch < recipe.fit.epochs:
        began = time.monotonic()
        torch.manual_seed(recipe.seed * 1000 + state.epoch)
        network.train()
        losses, hits, count = [], 0, 0
        for on_host in examples.batches(np.random.default_rng([recipe.seed, state.epoch])):
            batch = on_host.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
                logits = network(batch.features)
            loss = (batch.weights * by_label(recipe, logits.float(), batch)).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            state.averaged.update_parameters(network)
            losses.append(loss.item())
            hits += int((logits.argmax(1) == batch.targets.argmax(1)).sum())
            count += len(logits)
        state.schedule.step()
        state.epoch += 1
        row = {"epoch": state.epoch, "loss": float(np.mean(losses)), "accuracy": hits / count}
        state.curve.append(row | {"seconds": time.monotonic() - began})
        state.keep(run)
        if report:
            report(state.curve[-1] | {"epochs": recipe.fit.epochs})
    network.cpu()  # its layers below are still asked for what was not kept
    return cast(Tuned, state.averaged.module).cpu().eval()


@torch.no_grad()
def _said(network: Tuned, views: SoundViews, clip: Clip, numbers: Iterable[int]) -> Probs:
    """Probabilities of each label, the mean over these versions of the whole clip."""
    rows = []
    for number in numbers:
        views.make(clip, number)
        maps = torch.from_numpy(views.get(clip, number).astype(np.float32))[None]
        rows.append(network(maps).softmax(1)[0].double().numpy())
    mean: Probs = np.mean(rows, axis=0)
    return mean
