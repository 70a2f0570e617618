"""Speaker-independent figures of a recipe and of a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemood.model import load_model
from livemood.training.data.clips import Clip
from livemood.training.data.predictions import Probs, Truth
from livemood.training.evaluation.metrics import (
    accuracy,
    calibration_error,
    confusion_matrix,
    fit_temperature,
    tempered,
    uar,
    uar_among_its_labels,
)
from livemood.training.evaluation.predict import predict_clips

Predictions = tuple[Truth, Probs]
"""True labels and predicted probabilities of clips."""


def crossvalidation_figures(
    predictions: Mapping[str, Sequence[tuple[Truth, Probs]]], labels: Sequence[str], seed: int
) -> dict[str, Any]:
    """Figures of each model over folds, in percent; nothing is fitted on what it is measured on.

    The temperature for one fold comes from the predictions on the others. UAR is the mean over
    folds, as EmoBox reports it; the UAR of all clips together stands beside it.
    """
    models = {}
    for name, folds in predictions.items():
        confusions = [confusion_matrix(*fold) for fold in folds]
        total = np.sum(confusions, axis=0)
        before, after, temperatures = [], [], []
        for index, (truth, probabilities) in enumerate(folds):
            others = [fold for i, fold in enumerate(folds) if i != index]
            t = 1.0
            if others:
                apart = (np.concatenate(part) for part in zip(*others, strict=True))
                t = fit_temperature(*apart)
            temperatures.append(round(t, 3))
            before.append(calibration_error(truth, probabilities))
            after.append(calibration_error(truth, tempered(probabilities, t)))
        by_fold = [_percent(uar(confusion)) for confusion in confusions]
        among = [_percent(uar_among_its_labels(*fold)) for fold in folds]
        models[name] = {
            "uar": round(float(np.mean(by_fold)), 2),
            "uar_by_fold": by_fold,
            "uar_deviation": deviation(by_fold),
            "uar_among_its_labels_by_fold": among,
            "uar_pooled": _percent(uar(total)),
            "accuracy": _percent(accuracy(total)),
            "calibration_error_untempered": _percent(float(np.mean(before))),
            "calibration_error": _percent(float(np.mean(after))),
            "temperatures": temperatures,
            "confusion": total.tolist(),
        }
    return {"labels": list(labels), "seed": seed, "chance": 100 / len(labels), "models": models}


def held_out_figures(folders: Mapping[str, Path], clips: Sequence[Clip]) -> dict[str, Any]:
    """Figures of each model on held-out speakers, by corpus, in percent.

    A temperature is fitted on half of the held-out speakers and the calibration error measured on
    the other half, both ways. The model gets the mean of the two if that error is smaller than
    without, and 1 otherwise: the likelihood, which fitting improves, can ask for more confidence
    than the shares of right answers bear out.
    """
    return {name: _held_out(folder, clips) for name, folder in folders.items()}


def deviation(scores: list[float]) -> float:
    """Sample deviation of the scores of folds; 0 for a single one."""
    return round(float(np.std(scores, ddof=1)), 2) if len(scores) > 1 else 0.0


def corpus_figures(truth: Truth, probabilities: Probs, clips: Sequence[Clip]) -> dict[str, Any]:
    """What was read right of the clips of each corpus, in percent."""
    corpora = {}
    for corpus in dict.fromkeys(clip.corpus for clip in clips):
        rows = np.array([clip.corpus == corpus for clip in clips])
        present = np.unique(truth[rows])
        confusion = confusion_matrix(truth[rows], probabilities[rows])
        corpora[corpus] = {
            "clips": int(rows.sum()),
            "speakers": len({c.speaker for c in clips if c.corpus == corpus}),
            "labels": len(present),
            "uar": _percent(uar(confusion)),
            "uar_among_its_labels": _percent(
                uar_among_its_labels(truth[rows], probabilities[rows])
            ),
            "accuracy": _percent(accuracy(confusion)),
            "confusion": confusion.tolist(),
        }
    return corpora


def _held_out(folder: Path, clips: Sequence[Clip]) -> dict[str, Any]:
    model = load_model(folder, "cpu")
    truth, probabilities = predict_clips(model, clips)
    probabilities = tempered(probabilities, 1 / model.manifest.temperature)  # as if it were 1
    corpora = corpus_figures(truth, probabilities, clips)
    speakers = sorted({clip.speaker for clip in clips})
    half = np.array([speakers.index(clip.speaker) % 2 == 0 for clip in clips])
    # One speaker has no other to be measured on: nothing is fitted then.
    halves = [half, ~half] if len(speakers) > 1 else []
    temperatures, errors = [], []
    for fitted_on in halves:
        t = fit_temperature(truth[fitted_on], probabilities[fitted_on])
        temperatures.append(t)
        errors.append(calibration_error(truth[~fitted_on], tempered(probabilities[~fitted_on], t)))
    parts = [~h for h in halves] or [half]
    without = float(np.mean([calibration_error(truth[h], probabilities[h]) for h in parts]))
    fitted = float(np.mean(errors)) if errors else without
    helps = fitted < without
    return {
        "temperature": round(float(np.mean(temperatures)), 3) if helps else 1.0,
        "calibration_error": _percent(min(without, fitted)),
        "calibration_error_fitted": _percent(fitted),
        "calibration_error_untempered": _percent(without),
        "corpora": corpora,
    }


def _percent(share: float) -> float:
    return round(100 * share, 2)
