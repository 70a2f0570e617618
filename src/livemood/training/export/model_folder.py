"""The folder of a model: its manifest, from the recipe and what was measured."""

import hashlib
import logging
from pathlib import Path
from typing import Any

from livemood.errors import UsageError
from livemood.model import Model, load_model
from livemood.model.labels import CIRCUMPLEX
from livemood.model.manifest import Manifest, Network, TrainedOn, Window, write_manifest
from livemood.training.fit.trainer import Fitted
from livemood.training.network.dcrnn import DcRnn
from livemood.training.recipe.schema import CorpusPart, Recipe
from livemood.training.run_folder import versions

log = logging.getLogger(__name__)

CORPORA = {
    "ravdess": TrainedOn(
        corpus="RAVDESS", licence="CC BY-NC-SA 4.0", reference="Livingstone & Russo 2018"
    ),
    "nemo": TrainedOn(corpus="nEMO", licence="CC BY-NC-SA 4.0", reference="Christop 2024"),
    "tess": TrainedOn(
        corpus="TESS", licence="CC BY-NC-ND 4.0", reference="Pichora-Fuller & Dupuis 2020"
    ),
    "emospeech-in": TrainedOn(
        corpus="emospeech-in", licence="CC BY-NC-SA 4.0", reference="Banga 2019"
    ),
}


def make_manifest(
    recipe: Recipe, fitted: Fitted, file: Path, precision: str, metrics: dict[str, Any]
) -> Manifest:
    """The manifest of the model in `file`."""
    unplaced = set(recipe.labels) - set(CIRCUMPLEX)
    if unplaced:
        log.warning("no circumplex coordinates for %s: they count as neutral", sorted(unplaced))
    features = recipe.features.model_copy(
        update={"mean": fitted.mean, "deviation": fitted.deviation}
    )
    return Manifest.model_validate(
        {
            "schema": "livemood.model/1",
            "name": recipe.name,
            "version": recipe.version,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "precision": precision,
            "parameters": sum(p.numel() for p in fitted.network.parameters()),
            "labels": recipe.labels,
            "features": features.model_dump(),
            "network": Network(
                step_frames=DcRnn.step_frames,
                context_frames=DcRnn.context_frames,
                kept_frames=DcRnn.kept_frames,
            ).model_dump(),
            "window": Window(
                shortest_s=recipe.fit.shortest_s, longest_s=recipe.fit.longest_s
            ).model_dump(),
            "temperature": 1.0,
            # Training weights every label the same, so that is what probabilities assume.
            "priors": [1 / len(recipe.labels)] * len(recipe.labels),
            "trained_on": [trained_on(part).model_dump() for part in recipe.corpora],
            "licence": recipe.licence,
            "metrics": {**metrics, "seed": recipe.seed, "made_with": versions()},
        }
    )


def trained_on(part: CorpusPart) -> TrainedOn:
    """The corpus as a card names it. Raises `UsageError` if nobody said its licence."""
    if part.licence:
        return TrainedOn(corpus=part.name, licence=part.licence, reference=part.reference)
    if part.name not in CORPORA:
        raise UsageError(
            f"the card must say the licence of the corpus {part.name}: "
            'give licence = "..." below its name in the recipe'
        )
    return CORPORA[part.name]


def finish(folder: Path, temperature: float, metrics: dict[str, Any]) -> Model:
    """Write temperature and figures into the manifest of the model in `folder`; load it again."""
    manifest = load_model(folder, "cpu").manifest
    merged = {**manifest.metrics, **metrics}
    write_manifest(
        manifest.model_copy(update={"temperature": temperature, "metrics": merged}), folder
    )
    return load_model(folder, "cpu")
