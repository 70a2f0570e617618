"""A search for a better recipe, in one process or several: what `livemood search` does."""

import logging
import multiprocessing
from pathlib import Path
from typing import Any

from rich.console import Console

from livemood.batch.on_ray import check_version, connect, described, processors
from livemood.errors import UsageError
from livemood.toolkit.train import make_folder
from livemood.training.data.dataset import read_dataset
from livemood.training.pipeline.search import search as run_search
from livemood.training.recipe.schema import read_recipe
from livemood.training.run_folder import Workspace, use_threads
from livemood.version import __version__

log = logging.getLogger(__name__)

Arguments = tuple[Path, Workspace, Path, int, str | None]
"""Of `_search`."""


def search(
    recipe: Path,
    workspace: Workspace,
    out: Path,
    threads: int,
    jobs: int,
    storage: str | None = None,
    ray: str | None = None,
) -> str:
    """Run the search of a recipe file, and return its summary as text.

    With `ray` trials run on the machines of that cluster, `jobs` at a time or as many as it has
    processors for. They need the recipe, the corpora and the encoders under the same paths, and
    share the study in `storage`. Raises `LivemoodError`.
    """
    if ray is not None and storage is None:
        raise UsageError("--ray needs --storage: the machines of the cluster share the study there")
    make_folder(out)
    arguments = (recipe, workspace, out, threads, storage)
    if ray is not None:
        _on_ray(ray, jobs, threads, (recipe.resolve(), *arguments[1:]))
    elif jobs > 1:
        beside = [
            multiprocessing.get_context("spawn").Process(
                target=_search, args=(*arguments, 100_000 * number)
            )
            for number in range(1, jobs)
        ]
        for process in beside:
            process.start()
        _search(*arguments)
        for process in beside:
            process.join()
    found = _search(*arguments)
    lines = [f"trials: {found['trials']}"]
    for row in found["best"][:10]:
        cost = f", {row['multiply_adds'] / 1e6:.1f} M multiply-adds" if row["multiply_adds"] else ""
        lines.append(f"trial {row['trial']}: {row['validation_uar']:.2f} %{cost}: {row['params']}")
    best = out / "best.json"
    lines.append(f"written: {best}: livemood train {best} trains it whole")
    return "\n".join(lines)


def _on_ray(address: str, jobs: int, threads: int, arguments: Arguments) -> None:
    """Have a cluster search until there are enough trials.

    Where a machine is lost, the others go on; a trial that it ran is taken up again by them.
    """
    ray = connect(address, jobs * threads if jobs > 1 else None)
    try:
        search_there = ray.remote(num_cpus=threads, max_retries=0)(_search_there)
        number = jobs if jobs > 1 else max(1, processors(ray) // threads)
        running = [
            search_there.remote(__version__, arguments, 100_000 * (n + 1)) for n in range(number)
        ]
        lost = 0
        for searching in running:
            try:
                ray.get(searching)
            except ray.exceptions.RayTaskError as error:
                raise described(error.cause) from None
            except ray.exceptions.RayError:
                lost += 1
        if lost:
            log.warning("%d of %d searching processes were lost", lost, number)
    finally:
        ray.shutdown()


def _search_there(version: str, arguments: Arguments, beside: int) -> None:
    """What a machine of the cluster does."""
    check_version(version)
    _search(*arguments, beside)


def _search(
    recipe: Path,
    workspace: Workspace,
    out: Path,
    threads: int,
    storage: str | None = None,
    beside: int = 0,
) -> dict[str, Any]:
    use_threads(threads)
    made = read_recipe(recipe)
    workspace.torch_device()
    console = Console(stderr=True)

    def report(trial: Any) -> None:  # noqa: ANN401 - Optuna's
        values = ", ".join(f"{v:.4g}" for v in trial.values or ())
        console.print(f"trial {trial.number} {trial.state.name.lower()} {values}", highlight=False)

    data = read_dataset(made.dataset, workspace.corpora)
    return run_search(made, data, workspace, out, report, beside, storage)
