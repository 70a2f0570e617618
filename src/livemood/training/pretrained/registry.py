"""All source models by name."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
import torchaudio
from torchaudio.models import Wav2Vec2Model

from livemood.errors import LivemoodError, ModelError, UsageError
from livemood.training.data.clips import UNLABELLED
from livemood.training.network.checkpoint import TABLE, is_tuned, recipe_of, weights_of
from livemood.training.pretrained.audio import ByolS, EfficientAt, Gpvad
from livemood.training.pretrained.base import SourceModel, load_weights
from livemood.training.pretrained.livemood import Earlier
from livemood.training.pretrained.speech import SpeechTransformer
from livemood.training.pretrained.vision import NODES, Picture

TENSORS: Final[dict[str, tuple[Callable[[], SourceModel], str]]] = {
    "byol-s-d512": (ByolS, "d59dba47669f79c34e62ae82f952b543f4f0115de88ed02114f67311b7c2b8fd"),
    "efficientat-mn04": (
        EfficientAt,
        "e6dc8600fecfeccb27913e1dbba0df67d7fc9f6d282ef7fcdaf881ccbf5a2e7c",
    ),
    "gpvad-teacher1": (Gpvad, "832749f9d7e3631755a952a43cb07d3b35919b9000c641b132225a7de2f20fcc"),
    "gpvad-teacher2": (Gpvad, "760ff15086c2b2048e0ba991d25210fde1d4b54ab72c81970dab7f0b6fd07e05"),
}
"""Networks of ours, and the SHA-256 of the safetensors file with their weights."""
PIPELINES: Final = {
    "wavlm-base-plus": ("WAVLM_BASE_PLUS", torchaudio.models.wavlm_base),
    "hubert-base": ("HUBERT_BASE", torchaudio.models.hubert_base),
    "wav2vec2-base": ("WAV2VEC2_BASE", torchaudio.models.wav2vec2_base),
}
"""Of torchaudio, whose weights are fetched at run time; and what builds the same at random."""


def known(sources: Path | None) -> list[str]:
    """Names of all source models: in the folder `sources` livemood models and tuned sources."""
    folders = sorted(sources.iterdir()) if sources and sources.is_dir() else []
    builtin = {*TENSORS, *PIPELINES, *NODES}
    readable = (f for f in folders if os.access(f, os.X_OK) and f.name not in builtin)
    earlier = [f.name for f in readable if (f / "model.onnx").is_file() or is_tuned(f)]
    return [*TENSORS, *earlier, *PIPELINES, *NODES]


def open_source(name: str, sources: Path | None, *, weights: bool = True) -> SourceModel:
    """The source model `name`, ready to embed sound; with `weights` false, random ones.

    Raises `UsageError` if none has that name, `ModelError` if its weights cannot be had.
    """
    torch.manual_seed(0)
    folder = sources or Path()
    if name in TENSORS:
        make, sha256 = TENSORS[name]
        source = make()
        if weights:
            load_weights(source, folder / f"{name}.safetensors", sha256)
    elif (folder / name / "model.onnx").is_file():
        source = Earlier(folder / name, weights=weights)
    elif _is_tuned(folder, name):
        source = _tuned(folder, name, weights)
    elif name in PIPELINES:
        source = SpeechTransformer(_pipeline(name, weights))
    elif name in NODES:
        source = _picture(name, weights)
    else:
        raise UsageError(f"no source model is called {name!r}: {', '.join(known(sources))}")
    return source.eval()


def first_source(name: str, sources: Path | None) -> str:
    """Of a tuned source what was tuned first; of any other itself.

    Raises `ModelError` if the recipe of one of them cannot be read.
    """
    return _chain(name, sources)[-1]


def heard(name: str, sources: Path | None) -> set[str]:
    """Speakers that a tuned source, or one that it goes on from, learnt from by their labels."""
    out: set[str] = set()
    for each in _chain(name, sources)[:-1]:
        with ((sources or Path()) / each / TABLE).open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            out |= {row["speaker"] for row in rows if row["label"] != UNLABELLED}
    return out


def _chain(name: str, sources: Path | None) -> list[str]:
    """The source, what it goes on from, and so on to what was tuned first."""
    seen = [name]
    while sources and _is_tuned(sources, seen[-1]):
        below = str(recipe_of(sources / seen[-1])["network"].get("source"))
        if below in seen:
            raise ModelError(f"{sources / below} goes on from itself: {' from '.join(seen)}")
        seen.append(below)
    return seen


def _is_tuned(sources: Path, name: str) -> bool:
    """Whether `name` is a tuned source, and no other kind that comes first."""
    others = name in TENSORS or name in PIPELINES or name in NODES
    return not others and not (sources / name / "model.onnx").is_file() and is_tuned(sources / name)


def _tuned(sources: Path, name: str, weights: bool) -> SourceModel:
    source = open_source(first_source(name, sources), sources, weights=False)
    if weights:
        own = weights_of(sources / name)
        layers = {k.removeprefix("source."): own[k] for k in own if k.startswith("source.")}
        try:
            source.load_state_dict(layers)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{sources / name} does not fit its source: {reason}") from None
    return source


def _pipeline(name: str, weights: bool) -> Wav2Vec2Model:
    pipeline, at_random = PIPELINES[name]
    if not weights:
        return at_random()
    try:
        network: Wav2Vec2Model = getattr(torchaudio.pipelines, pipeline).get_model()
    except (OSError, RuntimeError) as error:
        raise _unfetched(name, error) from None
    return network


def _picture(name: str, weights: bool) -> Picture:
    try:
        return Picture(name, "DEFAULT" if weights else None)
    except (OSError, RuntimeError) as error:
        raise _unfetched(name, error) from None


def _unfetched(name: str, error: Exception) -> LivemoodError:
    reason = " ".join(str(error).split())[:120]
    return ModelError(f"the weights of {name} could not be fetched: {reason}")
