"""Changes of log-mel features, which cost next to nothing: level, spectral tilt, masks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livemood.training.recipe.sections import AugmentSection

LOG_POWER_PER_DB = np.log(10.0) / 10.0
"""A level in dB is a constant added to a log power."""


@dataclass(frozen=True, slots=True)
class SpectralChanges:
    """Level, tilt and masks as a recipe says, drawn anew for each example."""

    section: AugmentSection
    fill: float
    """What masks are filled with: the mean of all features."""

    def __call__(
        self, features: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Features (frames, mels) before standardisation, changed."""
        section = self.section
        frames, mels = features.shape
        slope = np.linspace(-1.0, 1.0, mels, dtype=np.float32)
        gain = rng.uniform(-section.gain_db, section.gain_db)
        level = gain + slope * rng.uniform(-section.tilt_db, section.tilt_db)
        out: NDArray[np.float32] = features + (level * LOG_POWER_PER_DB).astype(np.float32)
        width = int(rng.integers(section.mask_bands + 1))
        at = int(rng.integers(mels - width + 1))
        out[:, at : at + width] = self.fill
        for _ in range(2):
            length = int(rng.integers(min(section.mask_frames, frames // 4) + 1))
            at = int(rng.integers(frames - length + 1))
            out[at : at + length] = self.fill
        return out
