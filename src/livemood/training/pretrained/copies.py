"""Augmented copies of the sound of clips, kept as what the stem of an encoder gives for them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from livemood.audio.resample import resample
from livemood.speech.vad import SAMPLE_RATE
from livemood.training.augment.waveform import Augmenter, make_augmenter
from livemood.training.augment.workers import speech_at_speed
from livemood.training.data.cache import SoundCache, keep_array
from livemood.training.data.clips import Clip
from livemood.training.fit.copies import Maps
from livemood.training.pretrained.base import PretrainedEncoder
from livemood.training.recipe.sections import AugmentSection
from livemood.training.run_folder import Workspace

SHORTEST_S = 0.5
"""Shorter speech is filled with silence: encoders shrink time by up to 32."""


class WaveformCopies:
    """Augmented copies of the speech of clips, as maps of a stem; the first is not changed.

    A copy follows from the seed, the clip and its number. Kept on disk, for all folds.
    """

    order: tuple[int, ...] | None = None
    """Rows are first, and stay so."""

    def __init__(
        self,
        folder: Path,
        encoder: PretrainedEncoder,
        sounds: SoundCache,
        augmenter: Augmenter | None,
        speeds: tuple[float, ...],
        count: int,
        seed: int,
    ) -> None:
        """`folder` is for this encoder and these changes; `count` copies of each clip."""
        self.count, self._seed = count, seed
        self._folder, self._encoder, self._sounds = folder, encoder, sounds
        self._augmenter, self._speeds = augmenter, speeds
        with torch.no_grad():
            rows = encoder.stem(torch.zeros(1, 2 * encoder.sample_rate))[0].shape[1]
        self.rows_a_second = rows / 2

    def make(self, clip: Clip, number: int, change: object = None) -> None:
        """See that copy `number` of `clip` is there; `change` is for features, not for sound."""
        del change
        keep_array(self._path(clip, number), lambda: self._maps(clip, number))

    def get(self, clip: Clip, number: int) -> Maps:
        """Copy `number` of `clip`, which was made: (rows, ...)."""
        out: Maps = np.load(self._path(clip, number))
        return out

    def _path(self, clip: Clip, number: int) -> Path:
        return self._folder / clip.corpus / f"{clip.identity}-{number}.npy"

    @torch.no_grad()
    def _maps(self, clip: Clip, number: int) -> NDArray[np.float16]:
        rng = np.random.default_rng([self._seed, number, int(clip.identity[:8], 16)])
        speed = self._speeds[int(rng.integers(len(self._speeds)))] if number else 1.0
        sound = speech_at_speed(self._sounds.get(clip), SAMPLE_RATE, speed)
        if number and self._augmenter:
            sound = self._augmenter(sound, (int(rng.integers(2**31)),))
        sound = np.pad(sound, (0, max(0, round(SHORTEST_S * SAMPLE_RATE) - len(sound))))
        other = resample(sound, SAMPLE_RATE, self._encoder.sample_rate)
        maps, _ = self._encoder.stem(torch.from_numpy(np.ascontiguousarray(other))[None])
        out: NDArray[np.float16] = maps[0].half().numpy()
        return out


def waveform_copies(
    augment: AugmentSection,
    seed: int,
    encoder: PretrainedEncoder,
    background: Sequence[Clip],
    workspace: Workspace,
) -> WaveformCopies:
    """The copies that a recipe asks for; those of runs that share all of this are the same."""
    augmenter = make_augmenter(augment, workspace.corpora, background)
    shared = f"{augment.waveform!r} {augment.speeds} {seed}"
    if augmenter:
        shared += f" {augment.noise} {augment.noise_folds}{augmenter.background}"
    # What the stem gives is its own, whatever the encoder is called and however it was finetuned.
    sound = torch.randn(1, encoder.sample_rate, generator=torch.Generator().manual_seed(0)) * 0.1
    with torch.no_grad():
        shared += hashlib.sha256(encoder.stem(sound)[0].numpy().tobytes()).hexdigest()
    folder = workspace.cache / f"stem-{hashlib.sha256(shared.encode()).hexdigest()[:12]}"
    sounds = SoundCache(workspace.cache, SAMPLE_RATE)
    speeds, count = augment.speeds, augment.copies
    return WaveformCopies(folder, encoder, sounds, augmenter, speeds, count, seed)
