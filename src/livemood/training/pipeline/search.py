"""A search for a better recipe: each trial is a training run, measured on validation speakers."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from livemood.errors import UsageError
from livemood.model.features import FeatureSettings
from livemood.training.build import train
from livemood.training.data.dataset import Dataset
from livemood.training.network.checkpoint import CHECKPOINT
from livemood.training.network.kinds import make_network
from livemood.training.recipe.overrides import with_overrides
from livemood.training.recipe.schema import Recipe
from livemood.training.recipe.sections import NetworkSection
from livemood.training.run_folder import Workspace
from livemood.training.search import Score, Shared, Study, Value, example_values


def search(
    recipe: Recipe,
    data: Dataset,
    workspace: Workspace,
    out: Path,
    report: Callable[[Any], None] | None = None,
    beside: int = 0,
    storage: str | None = None,
) -> dict[str, Any]:
    """Run the trials that are still missing; what was found, also in `best.json` and `search.json`.

    The study is kept in `out/study.db`, or in `storage`, which several machines can share. The same
    call goes on where one was killed. Several processes that make it, each with a number of its own
    in `beside`, work on one study. Nothing is measured on held-out speakers. Raises `UsageError` if
    the recipe says nothing of what to search, or is not that of the study in `storage`.
    """
    if recipe.search is None:
        raise UsageError("the recipe has no [search]: say what to search in [search.space]")
    if not recipe.fit.validation_share:
        raise UsageError("a search needs validation speakers: set fit.validation_share, say to 0.2")
    for key, value in example_values(recipe.search).items():
        with_overrides(recipe, {key: value})

    def trial(number: int, values: Mapping[str, Value], tell: Callable[..., None]) -> Score:
        own, run = with_overrides(recipe, values), out / f"trial{number}"
        train(own, data, workspace, run, tell)
        rows = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
        (run / CHECKPOINT).unlink()  # a study may have hundreds
        cost = multiply_adds(own.network, own.features, len(own.labels))
        return Score(max(row["validation_uar"] for row in rows), cost)

    shared = Shared(storage, _digest(recipe)) if storage else None
    study = Study(recipe.search, recipe.name, recipe.seed, out, beside, shared)
    found = study.run(trial, report)
    best = with_overrides(recipe, found["best"][0]["params"]) if found["best"] else recipe
    (out / "best.json").write_text(best.model_dump_json(indent=2) + "\n", "utf-8")
    return found


def _digest(recipe: Recipe) -> str:
    """Of all that must be the same where several machines search: not of how many trials."""
    text = recipe.model_dump_json(exclude={"search": {"trials"}})
    return hashlib.sha256(text.encode()).hexdigest()


def multiply_adds(
    section: NetworkSection, features: FeatureSettings, labels: int, seconds: float = 3.0
) -> int:
    """Of the network for a window of sound."""
    network = make_network(section, features.mels, labels).eval()
    frames = features.frames_in(round(seconds * features.sample_rate))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        steps = int(network.encoder(torch.zeros(1, frames, features.mels)).shape[1])
    # Of recurrent layers torch counts some kinds and not others.
    units = section.recurrent
    gates = 4 if section.cell == "lstm" else 3
    each = gates * units * (section.step_width + units)
    each += (section.recurrent_layers - 1) * gates * units * 2 * units
    projected = section.statistics_pooling or section.step_projection
    each += projected * (section.step_width + units)
    pooled = projected or units
    each += pooled * (units // 2) + units // 2
    each += pooled * (2 if section.statistics_pooling else labels)
    convolutions: int = counter.get_total_flops() // 2
    return convolutions + steps * each
