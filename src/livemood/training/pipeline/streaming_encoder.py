"""From a recipe to a streaming encoder: frozen steps, the head, not-speech, export."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from livemood.errors import ModelError, UsageError
from livemood.model.manifest import BaselineSettings, Manifest, NotSpeech, write_manifest
from livemood.training.augment.waveform import make_augmenter
from livemood.training.data.clips import UNLABELLED, Clip
from livemood.training.data.dataset import Dataset
from livemood.training.data.tables import table_rows
from livemood.training.export.model_folder import check_licences, described
from livemood.training.export.streaming_encoder import (
    Feed,
    StreamRunner,
    export_streaming,
    quantize_streaming,
)
from livemood.training.fit.curves import training_minutes, write_curves
from livemood.training.fit.frozen_steps import FrozenSteps, StepSet
from livemood.training.fit.trainer import Report
from livemood.training.fit.voice_trainer import (
    VoiceData,
    VoiceTrainer,
    learn_not_speech,
    means_of,
)
from livemood.training.network.streaming_encoder import (
    BLOCK_FRAMES,
    CONTEXT_FRAMES,
    TURN_BLOCKS,
    VOTES,
    StreamingEncoder,
    StreamingEncoderModel,
    VoiceHead,
)
from livemood.training.network.whisper import WhisperStack
from livemood.training.network.whisper_weights import find_weights, read_weights
from livemood.training.recipe.schema import Recipe
from livemood.training.recipe.voices import NotSpeechCorpus
from livemood.training.run_folder import Workspace, begin_run

log = logging.getLogger(__name__)

STEP_S = 0.08
CALIBRATION = 200
"""Blocks of training speakers that ranges of int8 come from."""


def build_streaming_encoder(
    recipe: Recipe, data: Dataset, workspace: Workspace, run: Path, report: Report | None = None
) -> dict[str, Path]:
    """Train on `data`, export, quantize; the folders of the float32 and the int8 model.

    The encoder stays as it was pretrained: what it says of clips and copies is computed once. Only
    the head learns, in minutes on a processor. Raises `UsageError` or `ModelError` before anything
    is trained, if a card could not be written or weights are missing.
    """
    check_licences(recipe.corpora)
    encoder = StreamingEncoder(pretrained_stack(recipe, workspace.encoders))
    data = data.with_validation(recipe.fit.validation_share, recipe.seed)
    data.check_sounds(workspace.cache, recipe.features.sample_rate)
    run.mkdir(parents=True, exist_ok=True)
    begin_run(run, recipe.model_dump_json(indent=2), torch.device("cpu"))
    source = frozen_steps(recipe, encoder, workspace)
    learnt = VoiceData(
        data.train,
        data.shares,
        StepSet.of(data.train, recipe.augment.copies, source),
        data.validation,
        StepSet.of(data.validation, 0, source) if data.validation else None,
    )
    torch.manual_seed(recipe.seed)
    longest = int(recipe.fit.longest_s / STEP_S / VOTES) * VOTES
    head = VoiceHead(
        encoder.width,
        len(recipe.labels),
        recipe.network.dropout,
        recipe.network.step_projection or 256,
        recipe.network.recurrent,
    )
    trainer = VoiceTrainer(
        head,
        learnt,
        recipe.labels,
        recipe.fit,
        recipe.voices,
        recipe.augment.mixup,
        longest=longest,
        seed=recipe.seed,
        run=run,
        report=report,
    )
    head = trainer.train()
    write_curves(run)
    sounds = not_speech_clips(recipe.voices.not_speech, workspace.corpora)
    if sounds:
        of_sounds = StepSet.of(sounds, 0, source)
        speech, other = (
            means_of(head, steps, torch.arange(steps.lengths.shape[1]), longest)
            for steps in (learnt.steps, of_sounds)
        )
        learn_not_speech(head, speech, other)
    return _exported(recipe, StreamingEncoderModel(encoder, head), data.train, source, run)


def pretrained_stack(recipe: Recipe, encoders: Path | None) -> WhisperStack:
    """Whisper's first blocks with the weights in the folder `encoders`.

    Raises `UsageError` if the recipe names another encoder, `ModelError` if they cannot be had.
    """
    if recipe.network.pretrained != "whisper-tiny-en":
        raise UsageError('a streaming-encoder begins with network.pretrained = "whisper-tiny-en"')
    if encoders is None:
        raise ModelError("the recipe begins with whisper-tiny-en: give its folder with --encoders")
    stack = WhisperStack(recipe.network.blocks)
    try:
        stack.load(read_weights(find_weights(encoders)))
    except ValueError as error:
        raise ModelError(str(error)) from None
    return stack


def frozen_steps(recipe: Recipe, encoder: StreamingEncoder, workspace: Workspace) -> FrozenSteps:
    """What computes, or finds, the encoder's steps of clips and of their copies."""
    augment = recipe.augment
    change = make_augmenter(augment, workspace.corpora, ())
    shared = f"{augment.waveform!r} {augment.noise} {augment.noise_folds}"
    folder = workspace.cache
    return FrozenSteps(encoder, recipe.features, folder, change, shared, recipe.seed)


def not_speech_clips(corpora: Sequence[NotSpeechCorpus], folder: Path) -> list[Clip]:
    """Sounds that are no speech, less those held out. Raises `UsageError` for wrong tables."""
    found = []
    for part in corpora:
        table = folder / part.name / "metadata.csv"
        if not table.is_file():
            raise UsageError(f"no corpus at {table.parent}: it needs a metadata.csv")
        for row, cells in table_rows(table, ["path", part.column]):
            held_out = {cells.get("speaker") or "", cells.get("fold") or ""} & set(part.held_out)
            if cells[part.column] in part.left_out or held_out:
                continue
            path, name = table.parent / cells["path"], cells.get("speaker") or part.name
            found.append(Clip(path, part.name, name, UNLABELLED, row=row))
    return found


def _exported(
    recipe: Recipe,
    model: StreamingEncoderModel,
    clips: Sequence[Clip],
    source: FrozenSteps,
    run: Path,
) -> dict[str, Path]:
    """Both model folders, each with its manifest."""
    folders = {name: run / name for name in ("float32", "int8")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    files = {name: folder / "model.onnx" for name, folder in folders.items()}
    parity = export_streaming(model, files["float32"])
    log.info("exported; block by block differs from the whole by %.2g at most", parity)
    given = _calibration(recipe, clips, source, files["float32"])
    quantize_streaming(files["float32"], files["int8"], given)
    metrics = {"onnx_parity": parity, "training_minutes": training_minutes(run)}
    told = described(recipe.info, recipe.fit, recipe.features, metrics) | {
        "parameters": sum(p.numel() for p in model.parameters()),
        "network": {
            "kind": "streaming-encoder",
            "step_frames": BLOCK_FRAMES // VOTES,
            "context_frames": CONTEXT_FRAMES,
            "kept_frames": 0,
            "block_steps": VOTES,
            "lead_samples": _lead(recipe),
        },
        "hop_s": BLOCK_FRAMES * recipe.features.hop_length / recipe.features.sample_rate,
        "baseline": _bounds(recipe),
        "not_speech": NotSpeech().model_dump() if recipe.voices.not_speech else None,
    }
    for name, file in files.items():
        digest = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "precision": name}
        write_manifest(Manifest.model_validate(told | digest), folders[name])
    return folders


def _bounds(recipe: Recipe) -> dict[str, Any]:
    """How baselines grow, as they did in training."""
    v = recipe.voices
    return BaselineSettings(
        shrink_s=v.shrink_s, longest_s=v.longest_s, neutral=v.neutral
    ).model_dump()


def _lead(recipe: Recipe) -> int:
    """Samples that a block sees before its place: it then ends on a whole number of blocks."""
    f = recipe.features
    return f.samples_for(CONTEXT_FRAMES) - BLOCK_FRAMES * f.hop_length


def _calibration(
    recipe: Recipe, clips: Sequence[Clip], source: FrozenSteps, path: Path
) -> list[Feed]:
    """Inputs of blocks of training speakers, at any place of the 30 s of positions."""
    rng, runner = np.random.default_rng(recipe.seed), StreamRunner(path)
    given: list[Feed] = []
    for number in rng.permutation(len(clips))[:40]:
        features = source.features(source.speech(clips[number]))
        first = int(rng.integers(TURN_BLOCKS))
        given += [feed for feed, _ in runner.feeds(features[None], first)]
    return [given[n] for n in rng.permutation(len(given))[:CALIBRATION]]
