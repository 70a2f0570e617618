"""From a recipe to a model folder, and from a model folder to figures."""

import hashlib
import json
import logging
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from livemood.audio.block import Samples
from livemood.errors import UsageError
from livemood.model import Model, load_model
from livemood.model.labels import CIRCUMPLEX
from livemood.model.manifest import Manifest, Network, TrainedOn, Window, write_manifest
from livemood.training.augment import Augmenter
from livemood.training.cache import FeatureCache, SoundCache
from livemood.training.changed import ChangedSound
from livemood.training.clips import Clip, read_clip
from livemood.training.data import Data, read_table
from livemood.training.degrade import NoiseBank
from livemood.training.examples import Examples
from livemood.training.export import export_onnx, quantize
from livemood.training.fit import CURVE, Fitted, Report, build_network, fit, load_fitted
from livemood.training.metrics import Probs, Truth
from livemood.training.network import DcRnn
from livemood.training.recipe import CorpusPart, Recipe
from livemood.training.sources import source_scale
from livemood.training.trained import CHECKPOINT, RECIPE, recipe_of
from livemood.training.validate import Validation
from livemood.training.views import Views
from livemood.version import __version__

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


@dataclass(frozen=True)
class Where:
    """Where things are, and what computes: nothing of it decides how a model comes out on a CPU."""

    corpora: Path
    cache: Path
    sources: Path | None = None
    device: str = "auto"
    workers: int = 0
    """Processes that change sound."""

    def torch_device(self) -> torch.device:
        """The device. Raises `UsageError` if it is not there."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"no device is called {self.device!r}: use auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("torch finds no GPU here: use --device cpu")
        cuda = self.device != "cpu" and torch.cuda.is_available()
        return torch.device("cuda" if cuda else "cpu")


def of_fold(recipe: Recipe, where: Where, name: str) -> tuple[Recipe, Where]:
    """The same with `{fold}`, in the recipe and in the folder of sources, as the fold's name."""
    named = recipe.model_dump_json().replace("{fold}", name)
    sources = where.sources and Path(str(where.sources).replace("{fold}", name))
    return Recipe.model_validate_json(named), replace(where, sources=sources)


def use_threads(count: int) -> None:
    """Compute on so many threads of the processor."""
    torch.set_num_threads(count)


def build(
    recipe: Recipe, data: Data, where: Where, run: Path, report: Report | None = None
) -> dict[str, Path]:
    """Train on `data`, export, quantize; the folders of the float32 and the int8 model.

    Raises `UsageError`, before anything is trained, if a card could not be written.
    """
    for part in recipe.corpora:
        _trained_on(part)
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
        manifest = _manifest(recipe, fitted, file, name, metrics)
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


def same_recipe(recipe: Recipe, run: Path) -> None:
    """Write the recipe into the run, or see that the run there is by the same one."""
    path, text = run / RECIPE, recipe.model_dump_json(indent=2) + "\n"
    begun = path.is_file() and (run / CHECKPOINT).is_file()
    if begun and _deciding(recipe_of(run)) != _deciding(json.loads(text)):
        raise UsageError(f"{run} holds a run by another recipe: choose another --out")
    path.write_text(text, "utf-8")


def _deciding(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe less what only its card says."""
    told = {"limits", "licence", "reference"}
    corpora = [{k: v for k, v in part.items() if k not in told} for part in recipe["corpora"]]
    return {k: v for k, v in recipe.items() if k not in told} | {"corpora": corpora}


def versions() -> dict[str, str]:
    """What a run was made with."""
    return {
        "livemood": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }


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
    return [
        (examples.plain(i)[:longest].astype(np.float32) - examples.mean) / examples.deviation
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
            "trained_on": [_trained_on(part).model_dump() for part in recipe.corpora],
            "licence": recipe.licence,
            "metrics": {**metrics, "seed": recipe.seed, "made_with": versions()},
        }
    )


def _trained_on(part: CorpusPart) -> TrainedOn:
    if part.licence:
        return TrainedOn(corpus=part.name, licence=part.licence, reference=part.reference)
    if part.name not in CORPORA:
        raise UsageError(
            f"the card must say the licence of the corpus {part.name}: "
            'give licence = "..." below its name in the recipe'
        )
    return CORPORA[part.name]


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write `content` as indented JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
