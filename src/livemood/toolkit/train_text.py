"""A text recipe in, a text model out: what `livemood train-text` does."""

from pathlib import Path

from livemood.toolkit.train import make_folder, progress
from livemood.training.pipeline.text import train_text as run
from livemood.training.recipe.text import read_text_recipe
from livemood.training.run_folder import Workspace


def train_text(recipe: Path, seed: int | None, workspace: Workspace, out: Path) -> str:
    """Train by a recipe file, and return a summary as text."""
    made = read_text_recipe(recipe)
    if seed is not None:
        made = made.model_copy(update={"seed": seed})
    make_folder(out)
    with progress(made.name, made.fit.epochs) as report:
        figures = run(made, workspace, out, report)
    lines = [
        f"{precision}: macro F1 {own['macro_f1']:.1f} on {own['sentences']} test sentences, "
        f"{own['megabytes']} MB"
        for precision, own in figures["models"].items()
    ]
    return "\n".join([*lines, f"written: {out / 'model'} and {out / 'figures.json'}"])
