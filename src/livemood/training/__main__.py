"""`python -m livemood.training`: train a model by a recipe, and cross-validate a recipe."""

import logging
import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from livemood.errors import LivemoodError
from livemood.training.build import (
    Where,
    build,
    finish,
    predict_clips,
    predict_compared,
    write_json,
)
from livemood.training.card import write_card
from livemood.training.corpora import RAVDESS_FOLDS, ravdess_speakers
from livemood.training.data import read_data
from livemood.training.evaluate import crossvalidation_figures, held_out_figures
from livemood.training.metrics import Probs, Truth
from livemood.training.recipe import read_recipe
from livemood.training.splits import check_classes

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a TOML file.")]
Corpora = Annotated[Path, typer.Option(help="Folder with one folder for each corpus.")]
Sources = Annotated[
    Path | None,
    typer.Option(help="Folder of source models; {fold} in it becomes the number of the fold."),
]
Cache = Annotated[Path, typer.Option(help="Where features are kept from run to run.")]
Out = Annotated[Path, typer.Option(help="The run folder; a run cut short is resumed from it.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]


@app.command()
def train(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    sources: Sources = None,
    cache: Cache = Path("runs/features"),
    threads: Threads = 1,
) -> None:
    """Train by RECIPE on all speakers but those it holds out; measure the models on those."""
    torch.set_num_threads(threads)
    parsed = read_recipe(recipe)
    data = read_data(parsed, corpora)
    check_classes(data.train, data.test)
    folders = build(parsed, data, Where(corpora, cache, sources, "cpu"), out)
    figures = held_out_figures(folders, data.test)
    write_json(out / "figures.json", figures)
    for name, folder in folders.items():
        finish(folder, figures[name]["temperature"], {"held_out": figures[name]})
        print(name, figures[name]["corpora"])  # noqa: T201


@app.command()
def crossvalidate(
    recipe: RecipePath,
    corpora: Corpora,
    out: Out,
    sources: Sources = None,
    cache: Cache = Path("runs/features"),
    threads: Threads = 1,
) -> None:
    """Train RECIPE on RAVDESS six times, leaving out the actors of one published fold each."""
    torch.set_num_threads(threads)
    parsed = read_recipe(recipe)
    data = read_data(parsed, corpora)
    predictions: dict[str, list[tuple[Truth, Probs]]] = defaultdict(list)
    for fold in range(1, len(RAVDESS_FOLDS) + 1):
        logging.info("fold %d", fold)
        part = data.without(ravdess_speakers(fold))
        run = out / f"fold{fold}"
        # A source that was itself trained by fold: none has heard the actors it is measured on.
        own = Path(str(sources).replace("{fold}", str(fold))) if sources else None
        folders = build(parsed, part, Where(corpora, cache, own, "cpu"), run)
        for name, folder in folders.items():
            predictions[name].append(predict_clips(finish(folder, 1.0, {}), part.test))
        if parsed.network.bidirectional:
            compared = predict_compared(parsed, run, folders["float32"], part.test)
            predictions["bidirectional"].append(compared)
    figures = crossvalidation_figures(predictions, parsed.labels, parsed.seed)
    write_json(out / "figures.json", figures)
    for name, values in figures["models"].items():
        print(name, f"UAR {values['uar']:.2f} %", values["uar_by_fold"])  # noqa: T201


@app.command()
def card(
    model: Annotated[Path, typer.Argument(help="The model's folder.")],
    crossvalidation: Annotated[Path, typer.Option(help="figures.json of a cross-validation.")],
    whole: Annotated[
        Path | None, typer.Option(help="The same of the networks that these were made from.")
    ] = None,
) -> None:
    """Write MODEL's card.md from what was measured."""
    write_card(model, crossvalidation, whole)


def main() -> None:
    """Run the command line; errors are one line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        app()
    except LivemoodError as error:
        sys.exit(f"livemood.training: {error}")


if __name__ == "__main__":
    main()
