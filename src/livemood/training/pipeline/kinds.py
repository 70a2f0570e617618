"""Each kind of network has its way from a recipe to two model folders."""

from pathlib import Path

from livemood.training.build import build
from livemood.training.data.dataset import Dataset
from livemood.training.fit.trainer import Report
from livemood.training.pipeline.streaming_encoder import build_streaming_encoder
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import Workspace


def build_models(
    recipe: Recipe, data: Dataset, workspace: Workspace, run: Path, report: Report | None
) -> dict[str, Path]:
    """Train a network of the recipe's kind: the folders of both models."""
    make = build_streaming_encoder if recipe.network.kind == "streaming-encoder" else build
    return make(recipe, data, workspace, run, report)
