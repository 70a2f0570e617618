"""A study by Optuna: which values to try next, and which of those that were tried were best."""

import logging
import secrets
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from livemood.training.recipe.search import SearchSection, SearchSpace, Value
from livemood.training.run_folder import write_json
from livemood.training.search_storage import check_recipe, open_storage

__all__ = ["Score", "Shared", "Study", "Value", "example_values"]
log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, slots=True)
class Score:
    """What a trial gave."""

    validation_uar: float
    """In percent, in its best epoch."""
    multiply_adds: int
    """Of its network, for a window."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A study that several machines work on."""

    storage: str
    """Where it is kept: `postgresql://USER@HOST/DATABASE`, or the path of a journal file."""
    recipe: str
    """A digest of all that must be the same for all of them."""


Tell = Callable[[dict[str, Any]], None]
"""Told of each epoch; it raises if the trial is to be given up."""
Trial = Callable[[int, Mapping[str, Value], Tell], Score]
"""Tries values, under a number that no other trial of the study has."""


class Study:
    """Trials that are kept in `study.db` of a folder, or elsewhere, and gone on with."""

    def __init__(
        self,
        section: SearchSection,
        name: str,
        seed: int,
        out: Path,
        beside: int = 0,
        shared: Shared | None = None,
    ) -> None:
        """`beside` is another number in each process that works on the same study.

        `shared` says where the study is kept if not in `out`. Raises `LivemoodError` if it cannot
        be used, and `UsageError` if the study there is of another recipe.
        """
        out.mkdir(parents=True, exist_ok=True)
        self._section, self._out = section, out
        self._study = _study(section, name, seed, out, beside, shared)

    def run(self, trial: Trial, report: Callable[[Any], None] | None = None) -> dict[str, Any]:
        """Run the trials that are still missing; what was found, also in `search.json`."""
        section, study = self._section, self._study

        def objective(drawn: optuna.Trial) -> float | tuple[float, float]:
            values = {key: _suggest(drawn, key, space) for key, space in section.space.items()}

            def tell(row: dict[str, Any]) -> None:
                if section.cost:
                    return
                drawn.report(row["validation_uar"], row["epoch"])
                if section.prune and drawn.should_prune():
                    raise optuna.TrialPruned

            score = trial(drawn.number, values, tell)
            drawn.set_user_attr("multiply_adds", score.multiply_adds)
            best, cost = score.validation_uar, float(score.multiply_adds)
            return (best, cost) if section.cost else best

        def done(_: optuna.Study, over: optuna.trial.FrozenTrial) -> None:
            if report:
                report(over)
            if _enough(study, section):
                study.stop()

        if not _enough(study, section):
            study.optimize(objective, callbacks=[done])
        found = _found(study)
        write_json(self._out / "search.json", found)
        return found


def example_values(section: SearchSection) -> dict[str, Value]:
    """One value of each field that may be tried."""
    return {
        key: space.choices[0] if space.choices else _number(space, space.low or 0.0)
        for key, space in section.space.items()
    }


def _suggest(trial: optuna.Trial, key: str, space: SearchSpace) -> Value:
    low, high = _number(space, space.low or 0.0), _number(space, space.high or 0.0)
    value: Value
    if space.choices:
        value = trial.suggest_categorical(key, space.choices)
    elif isinstance(low, int) and isinstance(high, int):
        value = trial.suggest_int(key, low, high, step=int(space.step or 1), log=space.log)
    else:
        value = trial.suggest_float(key, low, high, step=space.step, log=space.log)
    return value


def _number(space: SearchSpace, value: float) -> int | float:
    whole = all(x is None or float(x).is_integer() for x in (space.low, space.high, space.step))
    return int(value) if whole and space.step is not None else float(value)


def _study(
    section: SearchSection, name: str, seed: int, out: Path, beside: int, shared: Shared | None
) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that heartbeats are experimental
        storage = open_storage(shared.storage if shared else None, out)
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
            directions=["maximize", "minimize"] if section.cost else ["maximize"],
            load_if_exists=True,
        )
    if shared:
        check_recipe(study, shared.recipe)
        # Two machines that begin at once see the same number of trials.
        beside += secrets.randbelow(1 << 20)
    # Whoever goes on with a study, or joins it, must not draw what was drawn before.
    study.sampler = _sampler(section, seed, len(study.get_trials(deepcopy=False)) + beside)
    return study


def _sampler(section: SearchSection, seed: int, drawn: int) -> BaseSampler:
    if section.sampler == "grid":
        return optuna.samplers.GridSampler(
            {key: _steps(space) for key, space in section.space.items()}, seed=seed
        )
    makers: dict[str, Callable[..., BaseSampler]] = {
        "random": optuna.samplers.RandomSampler,
        "tpe": optuna.samplers.TPESampler,
        "cmaes": optuna.samplers.CmaEsSampler,
        "nsga2": optuna.samplers.NSGAIISampler,
    }
    return makers[section.sampler](seed=1000 * seed + drawn)


def _steps(space: SearchSpace) -> list[Value]:
    if space.choices:
        return list(space.choices)
    low, high, step = space.low or 0.0, space.high or 0.0, space.step or 1.0
    count = int((high - low) / step + 1e-9) + 1
    return [_number(space, low + n * step) for n in range(count)]


def _enough(study: optuna.Study, section: SearchSection) -> bool:
    over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    wanted = section.trials
    if section.sampler == "grid":
        wanted = 1
        for space in section.space.values():
            wanted *= len(_steps(space))
        wanted = min(wanted, section.trials)
    return len(over) >= wanted


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
