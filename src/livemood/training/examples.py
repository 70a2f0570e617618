"""From clips to batches: features kept on disk, cut and augmented as they are drawn."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from livemood.model.features import FeatureSettings
from livemood.training.cache import FeatureCache
from livemood.training.clips import Clip
from livemood.training.recipe import AugmentPart, FitPart


class Examples:
    """Clips of one training set with their features in memory, drawn as batches."""

    def __init__(
        self,
        clips: Sequence[Clip],
        shares: Sequence[float],
        labels: Sequence[str],
        settings: FeatureSettings,
        augment: AugmentPart,
        fit: FitPart,
        cache: FeatureCache,
    ) -> None:
        self.features = [[cache.get(clip, speed) for speed in augment.speeds] for clip in clips]
        self.targets = np.array([labels.index(clip.label) for clip in clips])
        self._shares = np.array(shares)
        self._augment, self._fit = augment, fit
        self._frames_a_second = settings.sample_rate / settings.hop_length
        plain = np.concatenate([f[0].astype(np.float32) for f in self.features])
        self.mean, self.deviation = float(plain.mean()), float(plain.std())
        counts = np.bincount(self.targets, self._shares, minlength=len(labels))
        weights = np.where(counts > 0, counts.sum() / np.maximum(counts, 1e-9) / len(labels), 0.0)
        self.class_weights = torch.tensor(weights, dtype=torch.float32)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One epoch: (features (batch, frames, mels) standardised, one-hot targets).

        Examples of similar length share a batch, cut to one length: no padding is ever seen.
        """
        drawn = np.flatnonzero(rng.random(len(self.targets)) < self._shares)
        speeds = rng.integers(len(self._augment.speeds), size=len(drawn))
        chosen = [self.features[i][s] for i, s in zip(drawn, speeds, strict=True)]
        shortest, longest = (
            int(seconds * self._frames_a_second) - 2
            for seconds in (self._fit.shortest_s, self._fit.longest_s)
        )
        lengths = np.array(
            [
                min(len(f), max(shortest, int(min(len(f), longest) * u)))
                for f, u in zip(chosen, rng.uniform(0.6, 1.0, len(chosen)), strict=True)
            ]
        )
        order = np.argsort(lengths + rng.uniform(0, 12, len(lengths)))
        starts = np.arange(0, len(order), self._fit.batch_size)
        for start in rng.permutation(starts):
            picked = order[start : start + self._fit.batch_size]
            frames = int(lengths[picked].min())
            if frames < shortest // 2 or len(picked) < 2:
                continue
            cut = []
            for i in picked:
                at = int(rng.integers(len(chosen[i]) - frames + 1))
                cut.append(self._changed(chosen[i][at : at + frames].astype(np.float32), rng))
            batch = (np.stack(cut) - self.mean) / self.deviation
            targets = np.eye(len(self.class_weights), dtype=np.float32)[self.targets[drawn[picked]]]
            yield self._mixed(batch.astype(np.float32), targets, rng)

    def _changed(
        self, features: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Level, spectral tilt and masks. A level in dB is a constant added to a log power."""
        a = self._augment
        frames, mels = features.shape
        per_db = np.log(10.0) / 10.0
        slope = np.linspace(-1.0, 1.0, mels, dtype=np.float32)
        level = rng.uniform(-a.gain_db, a.gain_db) + slope * rng.uniform(-a.tilt_db, a.tilt_db)
        out: NDArray[np.float32] = features + (level * per_db).astype(np.float32)
        width = int(rng.integers(a.mask_bands + 1))
        at = int(rng.integers(mels - width + 1))
        out[:, at : at + width] = self.mean
        for _ in range(2):
            length = int(rng.integers(min(a.mask_frames, frames // 4) + 1))
            at = int(rng.integers(frames - length + 1))
            out[at : at + length] = self.mean
        return out

    def _mixed(
        self, batch: NDArray[np.float32], targets: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self._augment.mixup > 0:
            part = np.float32(rng.beta(self._augment.mixup, self._augment.mixup))
            partner = rng.permutation(len(batch))
            batch = part * batch + (1 - part) * batch[partner]
            targets = part * targets + (1 - part) * targets[partner]
        return torch.from_numpy(batch), torch.from_numpy(targets)
