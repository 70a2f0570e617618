"""Outputs of a frozen encoder for clips and their augmented copies, cached on disk."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livemood.audio.block import Samples
from livemood.model.features import FeatureSettings
from livemood.model.features.front_end import FrontEnd
from livemood.training.data.cache import kept_array
from livemood.training.data.clips import Clip, read_clip
from livemood.training.data.speech import trimmed
from livemood.training.network.streaming_encoder import (
    BLOCK_FRAMES,
    CONTEXT_FRAMES,
    TURN_BLOCKS,
    StreamingEncoder,
)

LONGEST_S = 8.0
"""Seconds of a clip that are read at most."""
Change = Callable[[Samples, Sequence[int]], Samples]
"""Changes 16 kHz sound, by a seed."""


class FrozenSteps:
    """Steps of 80 ms of clips, float16, one file for each clip and copy; copy 0 is as recorded.

    Copies begin at any block of the 30 s of positions, as live speech does. Copy 0 hangs on no seed
    and no change, so runs that differ in those share it.
    """

    def __init__(
        self,
        encoder: StreamingEncoder,
        features: FeatureSettings,
        folder: Path,
        change: Change | None,
        shared: str,
        seed: int,
    ) -> None:
        """`shared` names in words all that `change` depends on."""
        self._encoder, self._settings = encoder.eval().requires_grad_(False), features
        self._front_end = FrontEnd(features, first=CONTEXT_FRAMES, group=BLOCK_FRAMES)
        self._change, self._seed = change, seed
        digest = hashlib.sha256(repr(features).encode())
        for value in encoder.state_dict().values():
            digest.update(value.numpy().tobytes())
        self._recorded = folder / f"steps-{digest.hexdigest()[:12]}"
        digest.update(f"{seed} {shared}".encode())
        self._changed = folder / f"steps-{digest.hexdigest()[:12]}"

    def get(self, clip: Clip, copy: int = 0) -> NDArray[np.float16]:
        """Steps (steps, width) of a clip's speech, or of all of it if there is none."""
        folder = self._changed if copy else self._recorded
        path = folder / clip.corpus / f"{clip.identity}-{copy}.npy"
        return np.array(kept_array(path, lambda: self._steps(clip, copy)))

    @torch.no_grad()
    def _steps(self, clip: Clip, copy: int) -> NDArray[np.float16]:
        rate = self._settings.sample_rate
        seed = [self._seed, copy, int(clip.identity[:8], 16)]
        sound = read_clip(clip, rate)
        if copy and self._change is not None:
            sound = self._change(sound, seed)
        features = self.features(trimmed(sound, longest_s=LONGEST_S))
        first = int(np.random.default_rng(seed).integers(TURN_BLOCKS)) if copy else 0
        outputs = self._encoder(torch.from_numpy(features)[None], first)
        out: NDArray[np.float16] = outputs[0].half().numpy()
        return out

    def speech(self, clip: Clip) -> Samples:
        """The speech in a clip, as it was recorded."""
        return trimmed(read_clip(clip, self._settings.sample_rate), longest_s=LONGEST_S)

    def features(self, sound: Samples) -> NDArray[np.float32]:
        """Normalised log-mel of whole blocks (24 n + 3 frames, mels); the last is filled up."""
        least = self._settings.samples_for(CONTEXT_FRAMES)
        hop = BLOCK_FRAMES * self._settings.hop_length
        blocks = max(0, -(-(len(sound) - least) // hop))
        padded = np.pad(sound, (0, max(0, least + blocks * hop - len(sound))))
        return self._front_end(padded)


@dataclass(frozen=True)
class StepSet:
    """Steps of clips side by side, and where each clip's are."""

    steps: list[Tensor]
    """Of each copy, (all steps, width), float16."""
    starts: Tensor
    """(copies, clips)"""
    lengths: Tensor
    """(copies, clips)"""

    @classmethod
    def of(cls, clips: Sequence[Clip], copies: int, source: FrozenSteps) -> "StepSet":
        """Read, or make, the steps of all clips in all copies, beside each clip as recorded."""
        steps, starts, lengths = [], [], []
        for copy in range(copies + 1):
            found = [source.get(clip, copy) for clip in clips]
            count = np.array([len(each) for each in found])
            steps.append(torch.from_numpy(np.concatenate(found)))
            lengths.append(torch.from_numpy(count))
            starts.append(torch.from_numpy(np.concatenate(([0], np.cumsum(count)[:-1]))))
        return cls(steps, torch.stack(starts), torch.stack(lengths))

    def cut(
        self, clips: Tensor, longest: int, rng: np.random.Generator | None = None, copy: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Steps (batch, steps, width) of clips, and which of them are there, (batch, steps).

        With `rng` half of them are cut to any number of blocks from 4, and begin anywhere.
        """
        length = self.lengths[copy, clips].clamp_max(longest)
        at = torch.zeros_like(length)
        if rng is not None:
            cut = torch.from_numpy(3 * rng.integers(4, longest // 3 + 1, len(clips)))
            some = torch.from_numpy(rng.random(len(clips)) < 0.5)
            length = torch.where(some, torch.minimum(length, cut), length)
            room = (self.lengths[copy, clips] - length) // 3 + 1
            at = 3 * (torch.from_numpy(rng.random(len(clips))) * room).long()
        place = torch.arange(int(length.max()))
        rows = (self.starts[copy, clips] + at)[:, None]
        rows = rows + torch.minimum(place[None], length[:, None] - 1)
        return self.steps[copy][rows].float(), place[None] < length[:, None]
