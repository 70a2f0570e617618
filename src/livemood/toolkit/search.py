"""A search for a better recipe, in one process or several: what `livemood search` does."""

import multiprocessing
from pathlib import Path
from typing import Any

from rich.console import Console

from livemood.toolkit.train import make_folder
from livemood.training.data.dataset import read_dataset
from livemood.training.pipeline.search import search as run_search
from livemood.training.recipe.schema import read_recipe
from livemood.training.run_folder import Workspace, use_threads


def search(
    recipe: Path,
    workspace: Workspace,
    out: Path,
    threads: int,
    jobs: int,
    storage: str | None = None,
) -> str:
    """Run the search of a recipe file, and return its summary as text."""
    make_folder(out)
    arguments = (recipe, workspace, out, threads, storage)
    if jobs > 1:
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
