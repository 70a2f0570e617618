"""From a recipe to a streaming encoder: frozen steps, the head, not-speech, export."""

from pathlib import Path

import torch

from livemood.training.adapt.trainer import AdaptedVoiceTrainer
from livemood.training.data.dataset import Dataset
from livemood.training.data.not_speech import not_speech_clips
from livemood.training.fit.curves import training_minutes, write_curves
from livemood.training.fit.frozen_steps import StepSet
from livemood.training.fit.trainer import Report
from livemood.training.fit.voice_trainer import Target, VoiceData, teach_not_speech
from livemood.training.network.streaming_encoder import (
    HEAD,
    VOTES,
    StreamingEncoderModel,
    VoiceHead,
)
from livemood.training.pipeline.encoder_steps import find_encoder, frozen_steps
from livemood.training.pipeline.streaming_folder import export_streaming_models
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import Workspace, begin_run

STEP_S = 0.08


def build_streaming_encoder(
    recipe: Recipe, data: Dataset, workspace: Workspace, run: Path, report: Report | None = None
) -> dict[str, Path]:
    """Train on `data`, export, quantize; the folders of the float32 and the int8 model.

    The encoder stays as it was pretrained: its outputs for clips and copies are computed once. Only
    the head learns, in minutes on a processor. Raises `UsageError` or `ModelError` before anything
    is trained, if weights are missing.
    """
    encoder = find_encoder(recipe, workspace.encoders)
    data = data.with_validation(recipe.fit.validation_share, recipe.seed).without_tested_targets()
    data.check_sounds(workspace.cache, recipe.features.sample_rate)
    sounds = not_speech_clips(recipe.voices.not_speech, workspace.corpora)
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
    head = VoiceHead(
        encoder.width,
        len(recipe.labels),
        recipe.network.dropout,
        recipe.network.step_projection or 256,
        recipe.network.recurrent,
        len(recipe.ratings.learn),
    )
    longest = int(recipe.fit.longest_s / STEP_S / VOTES) * VOTES
    target = data.unlabelled
    head = AdaptedVoiceTrainer(
        head,
        learnt,
        recipe.labels,
        recipe.fit,
        recipe.voices,
        recipe.augment.mixup,
        ratings=recipe.ratings,
        adapt=recipe.adapt,
        target=Target(target, StepSet.of(target, 0, source)) if target else None,
        longest=longest,
        seed=recipe.seed,
        run=run,
        report=report,
    ).train()
    write_curves(run)
    if sounds:
        teach_not_speech(head, learnt.steps, StepSet.of(sounds, 0, source), longest)
    torch.save(head.state_dict(), run / HEAD)
    metrics = {"training_minutes": training_minutes(run)}
    model = StreamingEncoderModel(encoder, head)
    return export_streaming_models(recipe, model, data.train, source, run, metrics)
