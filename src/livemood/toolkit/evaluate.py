"""`livemood evaluate`: a model on labelled clips, and on conversations made of them."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from livemood.errors import UsageError
from livemood.model import Model, load_model
from livemood.speech import open_detector
from livemood.timeline.smoother import SmootherSettings
from livemood.toolkit.conversations import ConversationSettings, conversations
from livemood.toolkit.streaming import streaming_figures
from livemood.toolkit.train import make_folder
from livemood.training.augment.conditions import parse_condition
from livemood.training.augment.degradation import NoiseBank
from livemood.training.data.clips import Clip
from livemood.training.data.folds import make_folds
from livemood.training.data.manifest import read_manifest
from livemood.training.data.predictions import Probs, Truth
from livemood.training.evaluation.html_report import html_report
from livemood.training.evaluation.predict import predict_clips
from livemood.training.evaluation.statistics import figures
from livemood.training.recipe.schema import read_recipe
from livemood.training.run_folder import write_json

SCHEMA = "livemood.evaluation/1"


@dataclass(frozen=True)
class Wanted:
    """What is to be measured."""

    model: str
    """A shipped model or a folder; `{fold}` in it becomes the name of each fold."""
    manifests: Sequence[Path]
    label_map: dict[str, str]
    speakers: Sequence[str] = ()
    """Only these, if any is named."""
    folds: str | None = None
    conditions: Sequence[str] = ("clean",)
    noise: NoiseBank | None = None
    streaming: int = 0
    """Conversations of each speaker."""
    smoothing: SmootherSettings | None = None
    vad: str = "webrtc"
    talk: ConversationSettings = field(default_factory=ConversationSettings)
    seed: int = 1
    provider: str = "cpu"


def evaluate(wanted: Wanted, out: Path) -> dict[str, Any]:
    """Measure; write `evaluation.json`, `report.html` and `predictions.csv` into `out`.

    Raises `UsageError` for manifests, folds or conditions that are wrong.
    """
    open_detector(wanted.vad)
    conditions = [parse_condition(name, wanted.noise) for name in wanted.conditions]
    models, clips = _models_and_clips(wanted)
    make_folder(out)
    model = models[0][0]
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "model": {
            key: getattr(model.manifest, key) for key in ("name", "version", "precision", "sha256")
        },
        "manifest": ", ".join(map(str, wanted.manifests)),
        "labels": list(model.labels),
        "speakers": sorted({clip.speaker for clip in clips}),
        "seed": wanted.seed,
        "conditions": {},
    }
    rows: list[list[Any]] = []
    for condition in conditions:
        parts = [
            predict_clips(m, own, lambda s, key, c=condition: c(s, key, wanted.seed))  # type: ignore[misc]
            for m, own, _ in models
        ]
        truth, probabilities = (np.concatenate(x) for x in zip(*parts, strict=True))
        values = figures(truth, probabilities, clips, model.labels, wanted.seed)
        if wanted.folds:
            values |= _by_fold(models, parts, wanted.seed)
        result["conditions"][condition.name] = values
        rows += _rows(condition.name, clips, truth, probabilities, model.labels)
    if wanted.streaming:
        talks = conversations(clips, wanted.streaming, wanted.seed, wanted.talk, wanted.noise)
        if not talks:
            raise UsageError("conversations need speakers with at least two labels")
        result["streaming"] = streaming_figures(model, talks, wanted.smoothing, wanted.vad)
    write_json(out / "evaluation.json", result)
    (out / "report.html").write_text(html_report(result), "utf-8")
    with (out / "predictions.csv").open("w", newline="", encoding="utf-8") as lines:
        head = ["condition", "path", "speaker", "label", "predicted", *model.labels]
        csv.writer(lines).writerows([head, *rows])
    return result


def held_out_of(recipe: Path) -> list[str]:
    """The speakers that a recipe never trains on. Raises `UsageError` if there is none."""
    speakers = [name for part in read_recipe(recipe).corpora for name in part.held_out]
    if not speakers:
        raise UsageError(f"the recipe {recipe} holds nobody out")
    return speakers


Part = tuple[Model, list[Clip], str]
"""A model, the clips it is measured on, and the name of the fold."""


def _models_and_clips(wanted: Wanted) -> tuple[list[Part], list[Clip]]:
    """The model of each fold with its clips, or the one model with all; and all clips in order."""
    by_fold = "{fold}" in wanted.model
    if by_fold and not wanted.folds:
        raise UsageError("a model for each fold needs --folds")
    first = wanted.model if not by_fold else ""
    model = None if by_fold else load_model(first, wanted.provider)  # type: ignore[arg-type]
    labels = model.labels if model else None
    clips = [c for m in wanted.manifests for c in read_manifest(m, wanted.label_map, labels)]
    if wanted.speakers:
        names = set(wanted.speakers)
        clips = [clip for clip in clips if clip.speaker in names]
        if not clips:
            raise UsageError(f"no clip has any of these speakers: {', '.join(sorted(names))}")
    if not wanted.folds:
        assert model is not None  # noqa: S101 - without folds there is one model
        return [(model, clips, "")], clips
    parts: list[Part] = []
    for fold in make_folds(wanted.folds, clips):
        name = wanted.model.replace("{fold}", fold.name)
        own = model or load_model(name, wanted.provider)  # type: ignore[arg-type]
        if parts and own.labels != parts[0][0].labels:
            raise UsageError(f"{name} has other labels than the model of fold {parts[0][2]}")
        test = fold.split(clips)[1]
        if unknown := {clip.label for clip in test} - set(own.labels):
            raise UsageError(f"{test[0].row}: {name} has no label {min(unknown)!r}: use --map")
        parts.append((own, test, fold.name))
    return parts, [clip for _, own, _ in parts for clip in own]


def _by_fold(
    models: Sequence[Part], parts: Sequence[tuple[Truth, Probs]], seed: int
) -> dict[str, Any]:
    folds = {
        name: figures(*part, own, model.labels, seed)["overall"]
        for (model, own, name), part in zip(models, parts, strict=True)
    }
    scores = [values["uar"] for values in folds.values()]
    return {
        "folds": folds,
        "uar_mean_of_folds": round(float(np.mean(scores)), 2),
        "uar_deviation_of_folds": round(float(np.std(scores, ddof=1)), 2) if len(scores) > 1 else 0,
    }


def _rows(
    condition: str, clips: Sequence[Clip], truth: Truth, probabilities: Probs, labels: Sequence[str]
) -> list[list[Any]]:
    return [
        [condition, str(clip.path), clip.speaker, labels[t], labels[int(p.argmax())], *p.round(4)]
        for clip, t, p in zip(clips, truth, probabilities, strict=True)
    ]


def summary(result: dict[str, Any]) -> str:
    """What a person wants to see first, as text."""
    lines = []
    clean: float | None = None
    for name, values in result["conditions"].items():
        overall = values["overall"]
        groups = {f"  {k}": v for k, v in values["by"].get("corpus", {}).items()}
        for what, v in {name: overall, **groups}.items():
            around = " to ".join(f"{x:.1f}" for x in v["uar_95"] or ())
            lines.append(
                f"{what:24} UAR {v['uar']:5.1f} ({around}), accuracy {v['accuracy']:5.1f}, "
                f"macro F1 {v['macro_f1']:5.1f}, calibration error {v['calibration_error']:4.1f}, "
                f"{v['clips']} clips of {v['speakers']} speakers"
            )
        if "uar_mean_of_folds" in values:
            mean, deviation = values["uar_mean_of_folds"], values["uar_deviation_of_folds"]
            lines.append(f"  mean of folds          UAR {mean:5.1f} ± {deviation:.1f}")
        if name == "clean":
            clean = overall["uar"]
        elif clean is not None:
            lines.append(f"  lost                   {clean - overall['uar']:5.1f} points")
    if streaming := result.get("streaming"):
        lines.append(streaming["what"])
        for name, v in streaming["test"].items():
            lines.append(f"  {name:32} {json.dumps(v)}")
        lines += [f"  chosen: {json.dumps(chosen)}" for chosen in streaming["chosen"]]
    return "\n".join(lines)
