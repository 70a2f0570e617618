"""The folders of a model: network, manifest, from the recipe and what was measured."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from livemood.errors import UsageError
from livemood.model import Model, load_model
from livemood.model.features import FeatureSettings, Frames
from livemood.model.labels import CIRCUMPLEX
from livemood.model.manifest import Manifest, Network, TrainedOn, Window, digest_of, write_manifest
from livemood.training.export.int8 import quantize
from livemood.training.export.onnx import export_onnx
from livemood.training.network.base import EmotionNetwork
from livemood.training.network.dcrnn import DcRnn
from livemood.training.recipe.schema import ModelInfo
from livemood.training.recipe.sections import CorpusSection, FitSection
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
    "ased": TrainedOn(corpus="ASED", licence="none stated", reference="Retta 2022"),
    "emovo": TrainedOn(corpus="EMOVO", licence="CC BY-NC-SA", reference="Costantini 2014"),
    "deeply-nv": TrainedOn(
        corpus="Deeply Nonverbal", licence="CC BY-NC-ND 4.0", reference="Deeply 2022"
    ),
    "esc10": TrainedOn(corpus="ESC-10", licence="CC BY 3.0", reference="Piczak 2015"),
}


def export_models(
    network: EmotionNetwork,
    features: FeatureSettings,
    fit: FitSection,
    info: ModelInfo,
    calibration: Sequence[Frames],
    run: Path,
    metrics: Mapping[str, Any],
) -> dict[str, Path]:
    """Write `network` into `run` in float32 and in int8: the folders of both models.

    `calibration` holds windows of training speakers. Raises `ModelError` if ONNX and torch differ.
    """
    folders = {name: run / name for name in ("float32", "int8")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    files = {name: folder / "model.onnx" for name, folder in folders.items()}
    parity = export_onnx(cast(DcRnn, network), features.mels, files["float32"])
    log.info("exported; ONNX differs from torch by %.2g at most", parity)
    quantize(files["float32"], files["int8"], calibration)
    for name, file in files.items():
        told = _described(network, features, fit, info, {"onnx_parity": parity, **metrics})
        digest = {"sha256": digest_of(file), "precision": name}
        write_manifest(Manifest.model_validate(told | digest), folders[name])
    return folders


def _described(
    network: EmotionNetwork,
    features: FeatureSettings,
    fit: FitSection,
    info: ModelInfo,
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """What the manifests of both models say."""
    frames = Network(
        step_frames=network.step_frames,
        context_frames=network.context_frames,
        kept_frames=network.kept_frames,
    )
    return described(info, fit, features, metrics) | {
        "parameters": sum(p.numel() for p in network.parameters()),
        "network": frames.model_dump(),
    }


def described(
    info: ModelInfo, fit: FitSection, features: FeatureSettings, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """What the manifests of models say, but for their network."""
    unplaced = sorted(set(info.labels) - set(CIRCUMPLEX) - set(info.places))
    if unplaced and not info.dimensions:
        log.warning("no valence and arousal for %s: they count as neutral", ", ".join(unplaced))
    return {
        "schema": "livemood.model/1",
        "name": info.name,
        "version": info.version,
        "labels": info.labels,
        "places": dict(info.places),
        "dimensions": info.dimensions,
        "valence_arousal": "learnt" if info.dimensions else "derived",
        "features": features.model_dump(),
        "window": Window(shortest_s=fit.shortest_s, longest_s=fit.longest_s).model_dump(),
        "temperature": 1.0,
        # Training weights every label the same, so that is what probabilities assume.
        "priors": [1 / len(info.labels)] * len(info.labels),
        "trained_on": [trained_on(corpus).model_dump() for corpus in info.corpora],
        "licence": info.licence,
        "metrics": {**metrics, "seed": info.seed, "made_with": versions()},
    }


def check_licences(corpora: Iterable[CorpusSection]) -> None:
    """Raise `UsageError` if nobody said the licence of one of the corpora."""
    for corpus in corpora:
        trained_on(corpus)


def trained_on(corpus: CorpusSection) -> TrainedOn:
    """The corpus as a card names it. Raises `UsageError` if nobody said its licence."""
    if corpus.licence:
        return TrainedOn(corpus=corpus.name, licence=corpus.licence, reference=corpus.reference)
    if corpus.name not in CORPORA:
        raise UsageError(
            f"the card must say the licence of the corpus {corpus.name}: "
            'give licence = "..." below its name in the recipe'
        )
    return CORPORA[corpus.name]


def finish(folder: Path, temperature: float, metrics: dict[str, Any]) -> Model:
    """Write temperature and figures into the manifest of the model in `folder`; load it again."""
    manifest = load_model(folder, "cpu").manifest
    merged = {**manifest.metrics, **metrics}
    write_manifest(
        manifest.model_copy(update={"temperature": temperature, "metrics": merged}), folder
    )
    return load_model(folder, "cpu")
