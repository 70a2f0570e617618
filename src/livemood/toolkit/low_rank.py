"""What `livemood encoders low-rank` does."""

from pathlib import Path

import numpy as np
import typer

from livemood.errors import UsageError
from livemood.model.features import FeatureSettings
from livemood.training.data.cache import FeatureCache
from livemood.training.data.dataset import read_unlabelled
from livemood.training.pretrained.low_rank import LowRank, factored


def write_low_rank(
    what: LowRank, speech: Path, out: Path, encoders: Path | None, cache: Path
) -> None:
    """Write a run with low-rank convolutions, fitted to those of an encoder on `speech`."""
    features = FeatureSettings()
    kept = FeatureCache(cache, features)
    utterances = (np.array(kept.get(clip, 1.0), np.float32) for clip in read_unlabelled(speech))
    try:
        errors = factored(what, features.mels, encoders, utterances, out, speech.name)
    except ValueError as error:
        raise UsageError(f"{speech} holds too little speech: {error}") from None
    typer.echo(f"error of the second block {errors['second']:.3f}, third {errors['third']:.3f}")
    typer.echo(f"written: {out}")
