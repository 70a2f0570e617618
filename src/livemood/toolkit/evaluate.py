"""`livemood evaluate`: a model on labelled clips, and on conversations made of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemood.errors import UsageError
from livemood.toolkit.attack import attacked, explained
from livemood.toolkit.conversations import conversations
from livemood.toolkit.parts import Part, Wanted, models_and_clips
from livemood.toolkit.streaming import streaming_figures
from livemood.toolkit.train import make_folder
from livemood.training.augment.conditions import parse_condition
from livemood.training.data.predictions import Probs, Truth, write_predictions
from livemood.training.evaluation.html_report import html_report
from livemood.training.evaluation.predict import predict_clips
from livemood.training.evaluation.statistics import dimensions, figures
from livemood.training.run_folder import write_json

SCHEMA = "livemood.evaluation/1"


def evaluate_and_write(wanted: Wanted, out: Path) -> str:
    """Evaluate a model, write the results to `out`, and return a short summary."""
    found = evaluate(wanted, out)
    return f"{summary(found)}\nwritten: {out / 'evaluation.json'}, {out / 'report.html'}"


def evaluate(wanted: Wanted, out: Path) -> dict[str, Any]:
    """Measure; write `evaluation.json`, `report.html` and `predictions.csv` into `out`.

    Raises `UsageError` for manifests, folds or conditions that are wrong.
    """
    if (wanted.attack or wanted.explain) and wanted.folds:
        what = "an attack is on" if wanted.attack else "an explanation is of"
        raise UsageError(f"{what} one model: leave --folds out")
    conditions = [parse_condition(name, wanted.noise) for name in wanted.conditions]
    models, clips = models_and_clips(wanted)
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
    rows: list[tuple[str, Iterable[Any]]] = []
    for condition in conditions:
        rated: list[tuple[float, ...]] = []
        parts = [
            predict_clips(m, own, lambda s, key, c=condition: c(s, key, wanted.seed), rated)  # type: ignore[misc]
            for m, own, _ in models
        ]
        truth, probabilities = (np.concatenate(x) for x in zip(*parts, strict=True))
        values = figures(truth, probabilities, clips, model.labels, wanted.seed)
        if compared := dimensions(clips, rated):
            values["dimensions"] = compared
        if wanted.folds:
            values |= _by_fold(models, parts, wanted.seed)
        result["conditions"][condition.name] = values
        rows.append((condition.name, zip(clips, probabilities, strict=True)))
    if wanted.streaming:
        talks = conversations(clips, wanted.streaming, wanted.seed, wanted.talk, wanted.noise)
        if not talks:
            raise UsageError("conversations need speakers with at least two labels")
        result["streaming"] = streaming_figures(
            model, talks, wanted.smoothing, wanted.vad, wanted.reference
        )
    if wanted.attack:
        result["attack"] = attacked(
            wanted.model, wanted.encoders, model, clips, wanted.attack, wanted.seed
        )
    pictures: list[dict[str, Any]] = []
    if wanted.explain:
        found = explained(wanted.model, wanted.encoders, clips, wanted.explain, wanted.seed)
        pictures = found.pop("shown")
        result["explanation"] = found
    write_json(out / "evaluation.json", result)
    (out / "report.html").write_text(html_report(result, pictures), "utf-8")
    write_predictions(out / "predictions.csv", model.labels, rows)
    return result


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


def summary(result: dict[str, Any]) -> str:
    """The headline results as text."""
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
        for dimension, v in values.get("dimensions", {}).items():
            lines.append(
                f"  {dimension:22} CCC {v['ccc']}, mean absolute error {v['mae']}, "
                f"{v['clips']} rated clips"
            )
        if "uar_mean_of_folds" in values:
            mean, deviation = values["uar_mean_of_folds"], values["uar_deviation_of_folds"]
            lines.append(f"  mean of folds          UAR {mean:5.1f} ± {deviation:.1f}")
        if name == "clean":
            clean = overall["uar"]
        elif clean is not None:
            lines.append(f"  lost                   {clean - overall['uar']:5.1f} points")
    if attack := result.get("attack"):
        lines.append(f"{attack['method']} on {attack['domain']}, {attack['clips']} clips:")
        for row in attack["curve"]:
            random = row["random"]["uar"]
            lines.append(
                f"  {row['snr_db']:5.1f} dB below         UAR {row['uar']:5.1f}, "
                f"random signs {random:5.1f}"
            )
    if told := result.get("explanation"):
        lines.append(f"accuracy with bands removed, {told['clips']} clips:")
        for row in told["deletion"]:
            curves = ", ".join(f"{k} {v['accuracy']:.1f}" for k, v in row.items() if k != "share")
            lines.append(f"  {row['share']:5.0%} of them        {curves}")
    if streaming := result.get("streaming"):
        lines.append(streaming["what"])
        for name, v in streaming["test"].items():
            lines.append(f"  {name:32} {json.dumps(v)}")
        lines += [f"  chosen: {json.dumps(chosen)}" for chosen in streaming["chosen"]]
    return "\n".join(lines)
