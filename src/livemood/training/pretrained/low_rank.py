"""An encoder with low-rank convolutions, made of one whose convolutions are whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livemood.training.network.checkpoint import save_run
from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.initial_weights import load_initial_weights
from livemood.training.network.kinds import pretrained_scale
from livemood.training.network.low_rank import fit_low_rank
from livemood.training.pretrained.audio import ByolS
from livemood.training.recipe.sections import NetworkSection


@dataclass(frozen=True, slots=True)
class LowRank:
    """What is factored, and how."""

    encoder: str
    rank: int
    steps: int
    """Of the optimizer."""
    seed: int


def factored(
    what: LowRank,
    mels: int,
    encoders: Path | None,
    utterances: Iterable[NDArray[np.float32]],
    out: Path,
    speech: str,
) -> dict[str, float]:
    """Write the run into `out`, fitted to features (frames, mels) of the speech called `speech`.

    Returns the error after each block, as a share of the variance. Raises `ValueError` if there is
    too little speech.
    """
    section = NetworkSection(pretrained=what.encoder)
    whole = DcRnn(section, mels, 2)
    load_initial_weights(whole, mels, encoders)
    low_rank = DcRnn(section.model_copy(update={"rank": what.rank}), mels, 2)
    mean, deviation = pretrained_scale(section, encoders) or (ByolS.mean, ByolS.deviation)
    rows = [(each - mean) / deviation for each in utterances]
    fitting = {"steps": what.steps, "seed": what.seed}
    errors = fit_low_rank(whole.encoder, low_rank.encoder, rows, **fitting)
    made = {"encoder": what.encoder, "rank": what.rank, "speech": speech, **fitting}
    save_run(out, low_rank, made | {"error": errors})
    return errors
