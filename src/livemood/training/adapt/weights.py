"""Instance transfer: how much each clip counts, settled before a network learns."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from livemood.errors import UsageError
from livemood.training.adapt.boosting import boosted_weights
from livemood.training.adapt.density_ratio import Array, importance_weights, principal
from livemood.training.data.clips import Clip
from livemood.training.fit.frozen_steps import StepSet
from livemood.training.recipe.adapt import AdaptSection


def clip_means(steps: StepSet) -> Array:
    """The mean of the steps of each clip as it was recorded, (clips, width)."""
    found = [
        steps.steps[0][start : start + length].float().mean(0)
        for start, length in zip(steps.starts[0].tolist(), steps.lengths[0].tolist(), strict=True)
    ]
    out: Array = torch.stack(found).double().numpy()
    return out


def instance_weights(
    adapt: AdaptSection, clips: Sequence[Clip], steps: StepSet, target: StepSet | None
) -> Tensor | None:
    """How much each training clip counts, of mean 1, (clips,); none if the method weighs none.

    Raises `UsageError` if `boosting` has no clip of its target, or only such.
    """
    if adapt.method == "importance" and target is not None:
        here, there = principal(clip_means(steps), clip_means(target), adapt.components)
        return torch.from_numpy(importance_weights(here, there, adapt.largest_weight)).float()
    if adapt.method != "boosting":
        return None
    wanted = np.array([clip.corpus in adapt.target for clip in clips])
    if not wanted.any() or wanted.all():
        raise UsageError(
            f"adapt.target {', '.join(adapt.target)} must be some of the corpora that are trained "
            "on, and not all of them"
        )
    names = sorted({clip.label for clip in clips})
    labels = np.array([names.index(clip.label) for clip in clips])
    means = clip_means(steps)
    here, there = principal(means[~wanted], means[wanted], adapt.components)
    out = np.empty(len(clips))
    out[~wanted], out[wanted] = boosted_weights(
        (here, labels[~wanted]), (there, labels[wanted]), adapt.rounds
    )
    return torch.from_numpy(out).float()
