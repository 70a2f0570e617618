"""The frozen encoder that a recipe names, and what it gives for clips."""

from pathlib import Path

from livemood.errors import ModelError, UsageError
from livemood.training.augment.waveform import make_augmenter
from livemood.training.fit.frozen_steps import FrozenSteps
from livemood.training.network.streaming_encoder import StreamingEncoder, pretrained_encoder
from livemood.training.recipe.schema import Recipe
from livemood.training.run_folder import Workspace


def find_encoder(recipe: Recipe, encoders: Path | None) -> StreamingEncoder:
    """Whisper's first blocks with the weights in the folder `encoders`.

    Raises `UsageError` if the recipe names another encoder, `ModelError` if they cannot be had.
    """
    if recipe.network.pretrained != "whisper-tiny-en":
        raise UsageError('a streaming-encoder begins with network.pretrained = "whisper-tiny-en"')
    if encoders is None:
        raise ModelError("the recipe begins with whisper-tiny-en: give its folder with --encoders")
    return pretrained_encoder(encoders, recipe.network.blocks)


def frozen_steps(recipe: Recipe, encoder: StreamingEncoder, workspace: Workspace) -> FrozenSteps:
    """What computes, or finds, the encoder's steps of clips and of their copies."""
    augment = recipe.augment
    change = make_augmenter(augment, workspace.corpora, ())
    shared = f"{augment.waveform!r} {augment.noise} {augment.noise_folds}"
    return FrozenSteps(encoder, recipe.features, workspace.cache, change, shared, recipe.seed)
