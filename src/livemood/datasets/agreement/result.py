"""All that `livemood data agree` says, as JSON and as tables."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from livemood.datasets.agreement import dimensional, nominal
from livemood.datasets.agreement.dawid_skene import TrueLabels, dawid_skene
from livemood.datasets.agreement.ratings import Ratings, Votes, written
from livemood.datasets.manifest import write_text
from livemood.errors import UsageError

Rows = list[dict[str, Any]]


def agreement(ratings: Ratings, least: float, out: Path) -> dict[str, Any]:
    """Compare the ratings and write what follows into the folder `out`.

    `agreement.json`: every figure. `labels.csv`: for each item the label that most chose, what
    Dawid and Skene's model takes for true, soft labels, and the weighted mean of numbers.
    `adjudicate.csv`: items to look at again, the least clear first: a tie, a share of votes below
    `least`, or a model that says otherwise. `raters.csv`: each rater. Returns the figures.
    Raises `UsageError` if no item was rated twice.
    """
    if not any(_rated(ratings) >= 2):
        raise UsageError("no item was rated by two people: there is nothing to compare")
    figures: dict[str, Any] = {"items": len(ratings.items), "raters": len(ratings.raters) or None}
    rows: Rows = [dict(written(known, out)) for known in ratings.known]
    raters: dict[str, dict[str, Any]] = {name: {"rater": name} for name in ratings.raters}
    doubtful: Rows = []
    if ratings.votes is not None:
        truth = dawid_skene(ratings.votes)
        figures["labels"] = _nominal(ratings.votes, truth, raters)
        doubtful = _labels(ratings.votes, truth, rows, least)
        figures["labels"]["to_adjudicate"] = len(doubtful)
    for name, values in ratings.values.items():
        figures[name] = _dimension(name, values, rows, raters)
    write_text(out / "agreement.json", json.dumps(_plain(figures), indent=1) + "\n")
    write_text(out / "labels.csv", _table(rows))
    if ratings.votes is not None:
        write_text(out / "adjudicate.csv", _table(doubtful, [*rows[0], "reason"]))
    if raters:
        write_text(out / "raters.csv", _table(list(raters.values())))
    return figures


def _rated(ratings: Ratings) -> np.ndarray[Any, Any]:
    """By how many each item was rated."""
    numbers = [np.isfinite(values).sum(axis=1) for values in ratings.values.values()]
    if ratings.votes is not None:
        numbers.append(ratings.votes.counts.sum(axis=1))
    found: np.ndarray[Any, Any] = np.max(numbers, axis=0)
    return found


def _nominal(
    votes: Votes, truth: TrueLabels, raters: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    counts = votes.counts
    low, high = nominal.alpha_interval(counts)
    found: dict[str, Any] = {
        "labels": list(votes.labels),
        "ratings": int(counts.sum()),
        "krippendorff_alpha": nominal.alpha(counts),
        "krippendorff_alpha_95": [low, high],
        "fleiss_kappa": nominal.fleiss_kappa(counts),
        "ties": int((nominal.majority(counts) < 0).sum()),
        "dawid_skene": {"prior": truth.prior.tolist(), "rounds": truth.rounds},
    }
    if votes.raters:
        kappas = list(nominal.pairwise_kappas(votes))
        values = [kappa for *_, kappa in kappas]
        found["cohen_kappa"] = {
            "pairs": len(kappas),
            "mean": float(np.mean(values)) if values else math.nan,
            "lowest": min(kappas, key=lambda k: k[3])[:2] if kappas else None,
        }
        for rater in nominal.rater_agreement(votes, truth.accuracies):
            raters[rater.rater].update(asdict(rater))
    else:
        found["dawid_skene"]["confusion"] = truth.confusion[0].tolist()
    return found


def _labels(votes: Votes, truth: TrueLabels, rows: Rows, least: float) -> Rows:
    """Add what was chosen to the rows. Returns those to look at again."""
    counts = votes.counts
    most, number = nominal.majority(counts), counts.sum(axis=1)
    doubtful: list[tuple[float, dict[str, Any]]] = []
    for place, row in enumerate(rows):
        if not number[place]:
            continue
        shares, model = counts[place] / number[place], truth.probabilities[place]
        chosen = votes.labels[most[place]] if most[place] >= 0 else ""
        believed = votes.labels[int(model.argmax())]
        row |= {
            "label": chosen or believed,
            "majority": chosen,
            "share": float(shares.max()),
            "votes": int(number[place]),
            "dawid_skene": believed,
            "confidence": float(model.max()),
        }
        row |= {f"p_{name}": float(p) for name, p in zip(votes.labels, model, strict=True)}
        row |= {f"votes_{name}": float(p) for name, p in zip(votes.labels, shares, strict=True)}
        reasons = ["a tie"] if not chosen else []
        reasons += [f"share below {least:g}"] if shares.max() < least else []
        reasons += ["the model says otherwise"] if chosen and chosen != believed else []
        if reasons:
            spread = -sum(p * math.log(p) for p in shares if p > 0)
            doubtful.append((spread, {**row, "reason": ", ".join(reasons)}))
    return [row for _, row in sorted(doubtful, key=lambda pair: -pair[0])]


def _dimension(
    name: str,
    values: dimensional.Values,
    rows: Rows,
    raters: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    weights = dimensional.evaluator_weights(values)
    estimate = dimensional.evaluator_weighted(values)
    for place, value in enumerate(estimate):
        rows[place][name] = float(value) if np.isfinite(value) else ""
    for rater, weight in zip(raters.values(), weights, strict=True):
        rater[f"{name}_weight"] = float(weight)
    pairs = dimensional.pairwise_ccc(values)
    return {
        "ratings": int(np.isfinite(values).sum()),
        "krippendorff_alpha": dimensional.alpha(values),
        "ccc": {"pairs": len(pairs), "mean": float(np.mean(pairs)) if pairs else math.nan},
        "icc": dict(dimensional.icc(values)),
        "rated_by_all": int(np.isfinite(values).all(axis=1).sum()),
    }


def _plain(value: object) -> object:
    """The same with null in place of what is no number, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(rows: Rows, header: Sequence[str] = ()) -> str:
    names = list(dict.fromkeys([*header, *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()
