"""All pretrained encoders by name."""

import csv
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import torch
import torchaudio

from livemood.errors import ModelError, UsageError
from livemood.training.data.clips import UNLABELLED
from livemood.training.network.checkpoint import SOFT_LABELS, is_finetuned, recipe_of, weights_of
from livemood.training.pretrained.audio import ByolS, EfficientAt, Gpvad
from livemood.training.pretrained.base import PretrainedEncoder, load_weights
from livemood.training.pretrained.livemood import LivemoodEncoder
from livemood.training.pretrained.speech import SpeechTransformer
from livemood.training.pretrained.vision import NODES, ImageEncoder
from livemood.training.pretrained.whisper import open_whisper

Open = Callable[[Path, bool], PretrainedEncoder]
"""Opens an encoder from the folder of encoders, with its weights or with random ones."""

TENSORS: Final[dict[str, tuple[Callable[[], PretrainedEncoder], str]]] = {
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


def encoder_names(folder: Path | None) -> list[str]:
    """Names of all encoders: also of livemood models and finetuned encoders in `folder`."""
    inside = sorted(folder.iterdir()) if folder and folder.is_dir() else []
    readable = (f for f in inside if os.access(f, os.X_OK) and f.name not in BUILTIN)
    own = [f.name for f in readable if (f / "model.onnx").is_file() or is_finetuned(f)]
    return [*TENSORS, *own, *(name for name in BUILTIN if name not in TENSORS)]


def open_encoder(name: str, folder: Path | None, *, weights: bool = True) -> PretrainedEncoder:
    """The encoder `name`, ready to embed sound; with `weights` false, random ones.

    `folder` has the files of encoders, livemood models and finetuned encoders. Raises `UsageError`
    if none has that name, `ModelError` if its weights cannot be had.
    """
    torch.manual_seed(0)
    where = folder or Path()
    if name in TENSORS:
        encoder = BUILTIN[name](where, weights)
    elif (where / name / "model.onnx").is_file():
        encoder = LivemoodEncoder(where / name, weights=weights)
    elif _is_finetuned(where, name):
        encoder = _finetuned(where, name, weights)
    elif name in BUILTIN:
        encoder = BUILTIN[name](where, weights)
    else:
        names = ", ".join(encoder_names(folder))
        raise UsageError(f"no pretrained encoder is called {name!r}: there are {names}")
    return encoder.eval()


def first_encoder(name: str, folder: Path | None) -> str:
    """Of a finetuned encoder what was finetuned first; of any other itself.

    Raises `ModelError` if the recipe of one of them cannot be read.
    """
    return _chain(name, folder)[-1]


def training_speakers(name: str, folder: Path | None) -> set[str]:
    """Speakers whose labels a finetuned encoder, or one that it goes on from, was trained on."""
    out: set[str] = set()
    for each in _chain(name, folder)[:-1]:
        table = (folder or Path()) / each / SOFT_LABELS
        with table.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            out |= {row["speaker"] for row in rows if row["label"] != UNLABELLED}
    return out


def _chain(name: str, folder: Path | None) -> list[str]:
    """The encoder, what it goes on from, and so on to what was finetuned first."""
    seen = [name]
    while folder and _is_finetuned(folder, seen[-1]):
        earlier = str(recipe_of(folder / seen[-1])["network"].get("pretrained"))
        if earlier in seen:
            raise ModelError(f"{folder / earlier} goes on from itself: {' from '.join(seen)}")
        seen.append(earlier)
    return seen


def _is_finetuned(folder: Path, name: str) -> bool:
    """Whether `name` is a finetuned encoder, and no other kind that comes first."""
    other = name in BUILTIN or (folder / name / "model.onnx").is_file()
    return not other and is_finetuned(folder / name)


def _finetuned(folder: Path, name: str, weights: bool) -> PretrainedEncoder:
    encoder = open_encoder(first_encoder(name, folder), folder, weights=False)
    if weights:
        own = weights_of(folder / name)
        layers = {k.removeprefix("encoder."): own[k] for k in own if k.startswith("encoder.")}
        try:
            encoder.load_state_dict(layers)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{folder / name} does not fit its encoder: {reason}") from None
    return encoder


def _tensors(name: str, folder: Path, weights: bool) -> PretrainedEncoder:
    make, sha256 = TENSORS[name]
    encoder = make()
    if weights:
        load_weights(encoder, folder / f"{name}.safetensors", sha256)
    return encoder


def _pipeline(name: str, folder: Path, weights: bool) -> PretrainedEncoder:
    del folder
    pipeline, at_random = PIPELINES[name]
    if not weights:
        return SpeechTransformer(at_random())
    try:
        return SpeechTransformer(getattr(torchaudio.pipelines, pipeline).get_model())
    except (OSError, RuntimeError) as error:
        raise _unfetched(name, error) from None


def _image(name: str, folder: Path, weights: bool) -> PretrainedEncoder:
    del folder
    try:
        return ImageEncoder(name, "DEFAULT" if weights else None)
    except (OSError, RuntimeError) as error:
        raise _unfetched(name, error) from None


def _unfetched(name: str, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:120]
    return ModelError(f"the weights of {name} could not be fetched: {reason}")


BUILTIN: Final[dict[str, Open]] = {
    **{name: partial(_tensors, name) for name in TENSORS},
    "whisper-tiny-en": open_whisper,
    **{name: partial(_pipeline, name) for name in PIPELINES},
    **{name: partial(_image, name) for name in NODES},
}
"""Encoders that livemood knows by name. A new one is one more line here."""
