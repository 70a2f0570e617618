"""Finetuning the upper layers of a pretrained encoder, and writing down what it then says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from livemood.errors import UsageError
from livemood.model.features import FeatureSettings
from livemood.training.data.dataset import Dataset
from livemood.training.data.predictions import Probs, Truth, write_soft_labels
from livemood.training.fit.preparation import Preparation
from livemood.training.fit.trainer import Report
from livemood.training.network.checkpoint import SOFT_LABELS
from livemood.training.pretrained.copies import waveform_copies
from livemood.training.pretrained.finetuned import FinetunedEncoder, FinetuneTrainer, predict_copies
from livemood.training.pretrained.registry import open_encoder, training_speakers
from livemood.training.recipe.sections import AugmentSection, FitSection, NetworkSection
from livemood.training.run_folder import Workspace


@dataclass(frozen=True, slots=True)
class Finetuning:
    """Of a recipe, what finetuning needs."""

    features: FeatureSettings
    network: NetworkSection
    augment: AugmentSection
    fit: FitSection
    labels: Sequence[str]
    seed: int


def finetune(
    what: Finetuning, data: Dataset, workspace: Workspace, run: Path, report: Report | None = None
) -> tuple[Truth, Probs]:
    """Finetune on `data`, going on from what is in `run`; predictions for its test clips.

    Leaves `soft_labels.csv` in `run`: for each training clip the mean over its copies, for each
    unlabelled clip the prediction for it as it was recorded. Raises `UsageError` if the encoder was
    trained on one of the speakers that are tested.
    """
    name = str(what.network.pretrained)
    encoder = open_encoder(name, workspace.encoders)
    known = training_speakers(name, workspace.encoders) & {clip.speaker for clip in data.test}
    if known:
        raise UsageError(
            f"{name} was trained on {min(known)}, who is to be measured: finetune it first "
            "without these speakers ({fold} in its name is the fold's)"
        )
    copies = waveform_copies(what.augment, what.seed, encoder, data.train, workspace)
    features = what.features
    # Changes of sound are in the copies already.
    plain = what.augment.model_copy(update={"waveform": ()})
    with Preparation(features, plain, what.fit, workspace, ()) as preparation:
        examples = preparation.training_set(data.train, data.shares, what.labels)
    examples.draw_from(copies, copies.rows_a_second * features.hop_length / features.sample_rate)
    torch.manual_seed(what.seed)
    network = FinetunedEncoder(encoder, len(what.labels), what.network.dropout)
    network = network.to(workspace.torch_device())
    trainer = FinetuneTrainer(network, examples, what.fit, seed=what.seed, run=run, report=report)
    trained = cast(FinetunedEncoder, trainer.train())
    network.cpu()  # its stem is still asked for what was not kept
    if not (run / SOFT_LABELS).is_file():
        wanted = [(clip, copies.count) for clip in data.train]
        wanted += [(clip, 1) for clip in data.unlabelled]
        rows = ((clip, predict_copies(trained, copies, clip, range(n))) for clip, n in wanted)
        write_soft_labels(run / SOFT_LABELS, what.labels, rows)
    truth = np.array([what.labels.index(clip.label) for clip in data.test])
    return truth, np.array([predict_copies(trained, copies, clip, [0]) for clip in data.test])
