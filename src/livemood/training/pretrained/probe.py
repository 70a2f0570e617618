"""Which encoder to begin with: frozen probes, beside the same networks with random weights."""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from livemood.audio.resample import resample
from livemood.errors import ModelError
from livemood.speech.vad import SAMPLE_RATE
from livemood.training.data.clips import Clip, read_clip
from livemood.training.data.folds import Fold, check_folds
from livemood.training.data.predictions import Probs
from livemood.training.data.speech import trimmed
from livemood.training.pretrained.base import PretrainedEncoder
from livemood.training.pretrained.registry import open_encoder

SHORTEST_S, LONGEST_S = 0.5, 4.0
"""Of the speech of a clip that is embedded."""


def rank(
    names: Sequence[str],
    clips: Sequence[Clip],
    folds: Sequence[Fold],
    folder: Path | None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Probe each encoder, frozen, on the test speakers of every fold; JSON, the best first.

    A probe is a logistic regression on mean and deviation over time of all layers. `gain` is what
    the weights give over random ones of the same network; encoders whose weights cannot be had are
    listed with the reason. Raises `UsageError` for folds with a speaker on both sides.
    """
    check_folds(folds, clips)
    rows: list[dict[str, Any]] = []
    for name in names:
        try:
            row = _measured(name, clips, folds, folder)
        except ModelError as error:
            row = {"encoder": name, "unavailable": str(error)}
        rows.append(row)
        if report:
            report(row)
    measured = sorted((r for r in rows if "uar" in r), key=lambda r: -r["uar"])
    return {
        "clips": len(clips),
        "speakers": len({clip.speaker for clip in clips}),
        "classes": len({clip.label for clip in clips}),
        "folds": len(folds),
        "encoders": measured + [r for r in rows if "uar" not in r],
        "recommended": recommended(measured),
    }


def recommended(measured: Sequence[dict[str, Any]]) -> str | None:
    """The cheapest of those that are as good as the best, to one standard error over folds.

    Only encoders whose weights are worth more than random ones by that much are considered.
    """
    able = [r for r in measured if r["gain"] > r["uar_error"]]
    if not able:
        return None
    best = max(able, key=lambda r: r["uar"])
    near = [r for r in able if r["uar"] >= best["uar"] - best["uar_error"]]
    return str(min(near, key=lambda r: r["milliseconds"])["encoder"])


def _measured(
    name: str, clips: Sequence[Clip], folds: Sequence[Fold], folder: Path | None
) -> dict[str, Any]:
    scores = {}
    for kind in (True, False):
        model = open_encoder(name, folder, weights=kind)
        scores[kind] = probe(embeddings(model, clips), clips, folds)
    values, control = scores[True], scores[False]
    return {
        "encoder": name,
        "uar": round(float(np.mean(values)), 2),
        "uar_error": round(float(np.std(values, ddof=1) / np.sqrt(len(values))), 2)
        if len(values) > 1
        else 0.0,
        "uar_random": round(float(np.mean(control)), 2),
        "gain": round(float(np.mean(values) - np.mean(control)), 2),
        "milliseconds": round(cost_ms(model), 1),
        "parameters": sum(p.numel() for p in model.parameters()),
        "embedding": model.embedding,
        "layers": list(model.layers),
        "frames_per_second": model.frames_per_second,
        "sample_rate": model.sample_rate,
    }


def embeddings(model: PretrainedEncoder, clips: Sequence[Clip]) -> NDArray[np.float32]:
    """One row for each clip, of its speech up to 4 s."""
    rows = []
    for clip in clips:
        sound = trimmed(read_clip(clip, SAMPLE_RATE), SHORTEST_S, LONGEST_S)
        other = resample(sound, SAMPLE_RATE, model.sample_rate)
        rows.append(model.embed(torch.from_numpy(np.ascontiguousarray(other))[None])[0].numpy())
    return np.stack(rows)


def probe(rows: NDArray[np.float32], clips: Sequence[Clip], folds: Sequence[Fold]) -> list[float]:
    """UAR in percent on the test speakers of each fold."""
    labels = np.array([clip.label for clip in clips])
    speakers = np.array([clip.speaker for clip in clips])
    scores = []
    for fold in folds:
        test = np.isin(speakers, fold.speakers)
        predicted = _probe(rows[~test], labels[~test]).predict(rows[test])
        recalls = [(predicted[labels[test] == x] == x).mean() for x in np.unique(labels[test])]
        scores.append(100 * float(np.mean(recalls)))
    return scores


def probe_soft_labels(
    rows: Sequence[NDArray[np.float32]],
    clips: Sequence[Clip],
    folds: Sequence[Fold],
    labels: Sequence[str],
) -> Probs:
    """Probabilities of each label for every clip, by probes that were not trained on it.

    They are (clips, labels). `rows` are the embeddings of each encoder, (clips, width); each has
    probes of its own, whose probabilities are averaged.
    Each fold's clips are read by a probe of the other folds: a teacher that had learnt its own
    pupils' examples by heart would only repeat their labels. What a network trained on all of these
    clips learns from it must be measured on other speakers than these.
    """
    speakers = np.array([clip.speaker for clip in clips])
    own = np.array([clip.label for clip in clips])
    out = np.zeros((len(clips), len(labels)))
    for fold in folds:
        test = np.isin(speakers, fold.speakers)
        for of_encoder in rows:
            model = _probe(of_encoder[~test], own[~test])
            columns = np.array([labels.index(str(label)) for label in model.classes_])
            probabilities = model.predict_proba(of_encoder[test])
            out[np.flatnonzero(test)[:, None], columns] += probabilities / len(rows)
    return out


def _probe(rows: NDArray[Any], labels: NDArray[Any]) -> Any:  # noqa: ANN401 - no types there
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=300)
    )
    with warnings.catch_warnings():
        # Each encoder gets as many steps, whether or not they are its last.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return made.fit(rows, labels)


def cost_ms(model: PretrainedEncoder, seconds: float = 3.0, runs: int = 5) -> float:
    """Median milliseconds for `seconds` of sound, on the threads that torch is given."""
    sound = torch.zeros(1, round(seconds * model.sample_rate)).uniform_(-0.1, 0.1)
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        model.embed(sound)
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times[1:]))
