"""Augmented copies of clips, made once: their features, or what frozen blocks give for them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from livemood.training.data.cache import keep_array, kept_array
from livemood.training.data.clips import Clip
from livemood.training.network.encoder import ConvolutionalEncoder

Maps = NDArray[np.float16]
"""Standardised features (frames, mels), or maps (rows, bands, channels) of frozen blocks."""
Change = Callable[[Clip, np.random.Generator], NDArray[np.float32]]
"""Makes standardised, changed features of a clip."""


class Copies(Protocol):
    """Augmented copies of clips on disk."""

    count: int
    """Copies of each clip."""
    order: tuple[int, ...] | None
    """How the axes of maps with as many are put for the network; on disk rows are first."""

    def make(self, clip: Clip, number: int, change: Change) -> None:
        """See that copy `number` of `clip` is there."""

    def get(self, clip: Clip, number: int) -> Maps:
        """Copy `number` of `clip`, which was made."""


class AugmentedCopies:
    """A number of augmented copies of each clip; the first is not changed.

    A copy follows from the clip, its number, and what all clips share: the seed, the changes and
    the weights of the frozen blocks. Runs that share these share the files, as folds do; those that
    have other blocks share the augmented features.
    """

    order: tuple[int, ...] | None = (2, 0, 1)
    """Maps become (channels, rows, bands)."""

    def __init__(
        self,
        folder: Path,
        count: int,
        shared: str,
        seed: int,
        encoder: ConvolutionalEncoder,
        frozen_blocks: int,
    ) -> None:
        """`shared` names everything that changes depend on, in words."""
        self.count, self._seed = count, seed
        self._encoder, self._frozen = encoder.eval(), frozen_blocks
        digest = hashlib.sha256(f"{seed} {shared}".encode())
        self._features = folder / f"augmented-{digest.hexdigest()[:12]}"
        digest.update(bytes([frozen_blocks]))
        for name, value in encoder.convolutions.state_dict().items():
            if int(name.split(".")[0]) < 4 * frozen_blocks:
                digest.update(value.numpy().tobytes())
        self._folder = folder / f"copies-{digest.hexdigest()[:12]}"

    def make(self, clip: Clip, number: int, change: Change) -> None:
        """See that copy `number` of `clip` is there."""
        keep_array(self._path(clip, number), lambda: self._maps(clip, number, change))

    def get(self, clip: Clip, number: int) -> Maps:
        """Copy `number` of `clip`, which was made."""
        out: Maps = np.load(self._path(clip, number))
        return out

    def _path(self, clip: Clip, number: int) -> Path:
        folder = self._folder if self._frozen else self._features
        return folder / clip.corpus / f"{clip.identity}-{number}.npy"

    def _augmented(self, clip: Clip, number: int, change: Change) -> NDArray[Any]:
        rng = np.random.default_rng([self._seed, number, int(clip.identity[:8], 16)])
        return change(clip, rng).astype(np.float16)

    def _maps(self, clip: Clip, number: int, change: Change) -> NDArray[Any]:
        if not self._frozen:
            return self._augmented(clip, number, change)
        # Kept as well: other blocks pass the same changes, which take longer than the blocks.
        path = self._features / clip.corpus / f"{clip.identity}-{number}.npy"
        features = kept_array(path, lambda: self._augmented(clip, number, change))
        given = torch.from_numpy(features.astype(np.float32))[None]
        maps = self._encoder.through(given, self._frozen)
        out: Maps = maps[0].permute(1, 2, 0).half().contiguous().numpy()
        return out
