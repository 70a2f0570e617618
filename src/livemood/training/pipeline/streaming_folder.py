"""The folders of a streaming encoder: network in float32 and int8, each with its manifest."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemood.model.manifest import BaselineSettings, Manifest, NotSpeech, digest_of, write_manifest
from livemood.training.data.clips import Clip
from livemood.training.export.model_folder import described
from livemood.training.export.streaming_encoder import (
    Feed,
    StreamRunner,
    export_streaming,
    quantize_streaming,
)
from livemood.training.fit.frozen_steps import FrozenSteps
from livemood.training.network.streaming_encoder import (
    BLOCK_FRAMES,
    CONTEXT_FRAMES,
    TURN_BLOCKS,
    VOTES,
    StreamingEncoderModel,
)
from livemood.training.recipe.schema import Recipe

log = logging.getLogger(__name__)

CALIBRATION = 200
"""Blocks of training speakers that the ranges of int8 come from."""


def export_streaming_models(
    recipe: Recipe,
    model: StreamingEncoderModel,
    clips: Sequence[Clip],
    source: FrozenSteps,
    run: Path,
    metrics: Mapping[str, Any],
) -> dict[str, Path]:
    """Write `model` into `run` in float32 and in int8: the folders of both models.

    `clips` are of training speakers. Raises `ModelError` if ONNX and torch differ.
    """
    folders = {name: run / name for name in ("float32", "int8")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    files = {name: folder / "model.onnx" for name, folder in folders.items()}
    parity = export_streaming(model, files["float32"])
    log.info("exported; block by block differs from the whole by %.2g at most", parity)
    given = _calibration(recipe, clips, source, files["float32"])
    quantize_streaming(files["float32"], files["int8"], given)
    told = _told(recipe, {"onnx_parity": parity, **metrics})
    told["parameters"] = sum(p.numel() for p in model.parameters())
    for name, file in files.items():
        digest = {"sha256": digest_of(file), "precision": name}
        write_manifest(Manifest.model_validate(told | digest), folders[name])
    return folders


def _told(recipe: Recipe, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What both manifests say, but for what differs."""
    f, v = recipe.features, recipe.voices
    same = ("shrink_s", "wait_s", "least_window_s", "longest_s", "neutral")
    bounds = BaselineSettings(**{name: getattr(v, name) for name in same})
    return described(recipe.info, recipe.fit, f, metrics) | {
        "network": {
            "kind": "streaming-encoder",
            "step_frames": BLOCK_FRAMES // VOTES,
            "context_frames": CONTEXT_FRAMES,
            "kept_frames": 0,
            "block_steps": VOTES,
            # A block then ends on a whole number of blocks.
            "lead_samples": f.samples_for(CONTEXT_FRAMES) - BLOCK_FRAMES * f.hop_length,
        },
        "hop_s": BLOCK_FRAMES * f.hop_length / f.sample_rate,
        "baseline": bounds.model_dump(),
        "not_speech": NotSpeech().model_dump() if v.not_speech else None,
    }


def _calibration(
    recipe: Recipe, clips: Sequence[Clip], source: FrozenSteps, path: Path
) -> list[Feed]:
    """Inputs of blocks of training speakers, at any place of the 30 s of positions."""
    rng, runner = np.random.default_rng(recipe.seed), StreamRunner(path)
    given: list[Feed] = []
    for number in rng.permutation(len(clips))[:40]:
        features = source.features(source.speech(clips[number]))
        first = int(rng.integers(TURN_BLOCKS))
        given += [feed for feed, _ in runner.feeds(features[np.newaxis], first)]
    return [given[n] for n in rng.permutation(len(given))[:CALIBRATION]]
