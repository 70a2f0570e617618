"""Feature transfer before training: steps of each corpus get the covariance of the target."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from livemood.training.adapt.correlation import coral_map
from livemood.training.data.clips import Clip
from livemood.training.fit.frozen_steps import StepSet

SOME = 20000
"""Steps of a domain that its covariance is taken of, at most."""
CHUNK = 8192


def aligned(clips: Sequence[Clip], steps: StepSet, target: StepSet) -> StepSet:
    """The same steps of `clips`, in all copies, each corpus mapped onto the target by CORAL."""
    wanted = _some(target.steps[0])
    scale = wanted.std(0) + 1e-3
    corpora = np.array([clip.corpus for clip in clips])
    made = []
    for copy, values in enumerate(steps.steps):
        out = values.clone()
        for name in np.unique(corpora):
            rows = _rows(steps, copy, np.flatnonzero(corpora == name))
            matrix, mean, place = coral_map(_some(values[rows]) / scale, wanted / scale)
            for part in torch.split(rows, CHUNK):
                moved = (values[part].float() / scale - mean) @ matrix + place
                out[part] = (moved * scale).to(values.dtype)
        made.append(out)
    return StepSet(made, steps.starts, steps.lengths)


def _some(steps: torch.Tensor) -> torch.Tensor:
    return steps[:: max(1, len(steps) // SOME)].float()


def _rows(steps: StepSet, copy: int, clips: NDArray[np.intp]) -> torch.Tensor:
    starts, lengths = steps.starts[copy].tolist(), steps.lengths[copy].tolist()
    return torch.cat([torch.arange(starts[n], starts[n] + lengths[n]) for n in clips])
