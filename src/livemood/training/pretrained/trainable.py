"""A source model whose upper layers learn: a large network as a teacher of small ones."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from livemood.audio.resample import resample
from livemood.speech.vad import SAMPLE_RATE
from livemood.training.augment.waveform import Augmenter
from livemood.training.augment.workers import speech_of
from livemood.training.data.cache import SoundCache, keep_array
from livemood.training.data.clips import Clip
from livemood.training.fit.copies import Maps
from livemood.training.pretrained.base import SourceModel

SHORTEST_S = 0.5
"""Shorter speech is filled with silence: sources shrink time by up to 32."""


class Tuned(nn.Module):
    """The layers of a source above its maps, and one linear layer over what they give.

    That is mean and deviation over time of each of them, as probes of `livemood sources rank` see.
    """

    def __init__(self, source: SourceModel, labels: int, dropout: float) -> None:
        super().__init__()
        self.source = source
        with torch.no_grad():
            maps, _ = source.below(torch.zeros(1, source.sample_rate))
            width = sum(2 * layer.shape[2] for layer in source.eval().above(maps))
        self.head = nn.Sequential(
            nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, labels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Logits (batch, labels) of maps as the source's `below` gives them."""
        found = self.source.above(maps)
        parts = [x for layer in found for x in (layer.mean(1), layer.std(1, unbiased=False))]
        logits: Tensor = self.head(torch.cat(parts, dim=1))
        return logits

    def train(self, mode: bool = True) -> "Tuned":
        """The source's batch norms keep their statistics, those of far more sound than ours."""
        super().train(mode)
        for layer in self.source.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


class SoundViews:
    """Changed versions of the speech of clips, as maps of a source; the first is not changed.

    A version follows from the seed, the clip and its number. Kept on disk, for all folds.
    """

    order: tuple[int, ...] | None = None
    """Rows are first, and stay so."""

    def __init__(
        self,
        folder: Path,
        source: SourceModel,
        sounds: SoundCache,
        augmenter: Augmenter | None,
        speeds: tuple[float, ...],
        count: int,
        seed: int,
    ) -> None:
        """`folder` is for this source and these changes; `count` versions of each clip."""
        self.count, self._seed = count, seed
        self._folder, self._source, self._sounds = folder, source, sounds
        self._augmenter, self._speeds = augmenter, speeds
        with torch.no_grad():
            rows = source.below(torch.zeros(1, 2 * source.sample_rate))[0].shape[1]
        self.rows_a_second = rows / 2

    def make(self, clip: Clip, number: int, change: object = None) -> None:
        """See that version `number` of `clip` is there; `change` is for features, not for sound."""
        del change
        keep_array(self._path(clip, number), lambda: self._maps(clip, number))

    def get(self, clip: Clip, number: int) -> Maps:
        """Version `number` of `clip`, which was made: (rows, ...)."""
        out: Maps = np.load(self._path(clip, number))
        return out

    def _path(self, clip: Clip, number: int) -> Path:
        return self._folder / clip.corpus / f"{clip.identity}-{number}.npy"

    @torch.no_grad()
    def _maps(self, clip: Clip, number: int) -> NDArray[np.float16]:
        rng = np.random.default_rng([self._seed, number, int(clip.identity[:8], 16)])
        speed = self._speeds[int(rng.integers(len(self._speeds)))] if number else 1.0
        sound = speech_of(self._sounds.get(clip), SAMPLE_RATE, speed)
        if number and self._augmenter:
            sound = self._augmenter(sound, (int(rng.integers(2**31)),))
        sound = np.pad(sound, (0, max(0, round(SHORTEST_S * SAMPLE_RATE) - len(sound))))
        other = resample(sound, SAMPLE_RATE, self._source.sample_rate)
        maps, _ = self._source.below(torch.from_numpy(np.ascontiguousarray(other))[None])
        out: NDArray[np.float16] = maps[0].half().numpy()
        return out
