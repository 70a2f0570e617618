"""Search for a better recipe, by Optuna: many short runs, measured on validation speakers."""

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from torch.utils.flop_counter import FlopCounterMode

from livemood.errors import UsageError
from livemood.training.build import train
from livemood.training.data.dataset import Data
from livemood.training.network.dcrnn import DcRnn
from livemood.training.recipe.overrides import with_values
from livemood.training.recipe.parts import SearchPart, SpacePart, Value
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import Where, write_json

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.WARNING)


def search(
    recipe: Recipe,
    data: Data,
    where: Where,
    out: Path,
    report: Callable[[optuna.trial.FrozenTrial], None] | None = None,
    beside: int = 0,
) -> dict[str, Any]:
    """Run the trials that are still missing; what was found, also in `best.json` and `search.json`.

    The study is kept in `out/study.db`: the same call goes on where one was killed, and several
    processes that make it, each with a number of its own in `beside`, work on one study. Nothing is
    measured on held-out speakers. Raises `UsageError` if the recipe says nothing of what to search.
    """
    part = _checked(recipe)
    out.mkdir(parents=True, exist_ok=True)
    study = _study(recipe, part, out, beside)

    def done(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if report:
            report(trial)
        _stop_when_enough(study, part)

    if not _enough(study, part):
        study.optimize(lambda trial: _objective(trial, recipe, data, where, out), callbacks=[done])
    found = _found(study)
    write_json(out / "search.json", found)
    best = with_values(recipe, found["best"][0]["params"]) if found["best"] else recipe
    (out / "best.json").write_text(best.model_dump_json(indent=2) + "\n", "utf-8")
    return found


def multiply_adds(recipe: Recipe, seconds: float = 3.0) -> int:
    """Of the network for a window of sound."""
    features = recipe.features
    network = DcRnn(recipe.network, features.mels, len(recipe.labels)).eval()
    frames = features.frames_in(round(seconds * features.sample_rate))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        steps = int(network.front(torch.zeros(1, frames, features.mels)).shape[1])
    # Of recurrent layers torch counts some kinds and not others.
    part, units = recipe.network, recipe.network.recurrent
    gates = 4 if part.cell == "lstm" else 3
    each = gates * units * (part.step_width + units)
    each += (part.recurrent_layers - 1) * gates * units * 2 * units
    each += (part.moments or part.readout) * (part.step_width + units)
    pooled = part.moments or part.readout or units
    each += (
        pooled * (units // 2) + units // 2 + pooled * (2 if part.moments else len(recipe.labels))
    )
    convolutions: int = counter.get_total_flops() // 2
    return convolutions + steps * each


def _checked(recipe: Recipe) -> SearchPart:
    if recipe.search is None:
        raise UsageError("the recipe has no [search]: say what to search in [search.space]")
    if not recipe.fit.validation:
        raise UsageError("a search needs validation speakers: set fit.validation, say to 0.2")
    for place, space in recipe.search.space.items():
        value = space.choices[0] if space.choices else _number(space, space.low or 0.0)
        with_values(recipe, {place: value})
    return recipe.search


def _objective(
    trial: optuna.Trial, recipe: Recipe, data: Data, where: Where, out: Path
) -> float | tuple[float, float]:
    part = _checked(recipe)
    values = {place: _suggest(trial, place, space) for place, space in part.space.items()}
    own = with_values(recipe, values)

    def report(row: dict[str, Any]) -> None:
        if part.cost:
            return
        trial.report(row["validation_uar"], row["epoch"])
        if part.prune and trial.should_prune():
            raise optuna.TrialPruned

    run = out / f"trial{trial.number}"
    train(own, data, where, run, report)
    rows = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    best = max(row["validation_uar"] for row in rows)
    (run / "checkpoint.pt").unlink()  # a study may have hundreds
    cost = multiply_adds(own)
    trial.set_user_attr("multiply_adds", cost)
    return (best, float(cost)) if part.cost else best


def _suggest(trial: optuna.Trial, place: str, space: SpacePart) -> Value:
    low, high = _number(space, space.low or 0.0), _number(space, space.high or 0.0)
    value: Value
    if space.choices:
        value = trial.suggest_categorical(place, space.choices)
    elif isinstance(low, int) and isinstance(high, int):
        value = trial.suggest_int(place, low, high, step=int(space.step or 1), log=space.log)
    else:
        value = trial.suggest_float(place, low, high, step=space.step, log=space.log)
    return value


def _number(space: SpacePart, value: float) -> int | float:
    whole = all(x is None or float(x).is_integer() for x in (space.low, space.high, space.step))
    return int(value) if whole and space.step is not None else float(value)


def _study(recipe: Recipe, part: SearchPart, out: Path, beside: int) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that heartbeats are experimental
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{(out / 'study.db').resolve()}",
            engine_kwargs={"connect_args": {"timeout": 60}},
            # A trial whose process was killed is taken up again by another.
            heartbeat_interval=20,
            grace_period=60,
            failed_trial_callback=optuna.storages.RetryFailedTrialCallback(max_retry=3),
        )
        study = optuna.create_study(
            study_name=recipe.name,
            storage=storage,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
            directions=["maximize", "minimize"] if part.cost else ["maximize"],
            load_if_exists=True,
        )
    # Whoever goes on with a study, or joins it, must not draw what was drawn before.
    study.sampler = _sampler(part, recipe.seed, len(study.get_trials(deepcopy=False)) + beside)
    return study


def _sampler(part: SearchPart, seed: int, drawn: int) -> BaseSampler:
    if part.sampler == "grid":
        return optuna.samplers.GridSampler(
            {place: _steps(space) for place, space in part.space.items()}, seed=seed
        )
    makers: dict[str, Callable[..., BaseSampler]] = {
        "random": optuna.samplers.RandomSampler,
        "tpe": optuna.samplers.TPESampler,
        "cmaes": optuna.samplers.CmaEsSampler,
        "nsga2": optuna.samplers.NSGAIISampler,
    }
    return makers[part.sampler](seed=1000 * seed + drawn)


def _steps(space: SpacePart) -> list[Value]:
    if space.choices:
        return list(space.choices)
    low, high, step = space.low or 0.0, space.high or 0.0, space.step or 1.0
    count = int((high - low) / step + 1e-9) + 1
    return [_number(space, low + n * step) for n in range(count)]


def _enough(study: optuna.Study, part: SearchPart) -> bool:
    over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    wanted = part.trials
    if part.sampler == "grid":
        wanted = 1
        for space in part.space.values():
            wanted *= len(_steps(space))
        wanted = min(wanted, part.trials)
    return len(over) >= wanted


def _stop_when_enough(study: optuna.Study, part: SearchPart) -> None:
    if _enough(study, part):
        study.stop()


def _found(study: optuna.Study) -> dict[str, Any]:
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    return {
        "study": study.study_name,
        "trials": {s.name.lower(): sum(t.state == s for t in trials) for s in TrialState},
        "best": [_as_json(t) for t in sorted(study.best_trials, key=lambda t: -t.values[0])]
        if complete
        else [],
        "all": [_as_json(t) for t in trials if t.values],
    }


def _as_json(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "validation_uar": round(trial.values[0], 2),
        "multiply_adds": trial.user_attrs.get("multiply_adds"),
        "params": trial.params,
    }
