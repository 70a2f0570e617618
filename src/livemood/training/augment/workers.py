"""Features of augmented sound, computed here or in processes beside this one."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from livemood.audio.block import Samples
from livemood.audio.resample import resample
from livemood.model.features import FeatureSettings, LogMel
from livemood.training.augment.waveform import Augmenter
from livemood.training.data.cache import Features, SoundCache
from livemood.training.data.clips import Clip
from livemood.training.data.speech import trimmed


def speech_at_speed(sound: Samples, sample_rate: int, speed: float = 1.0) -> Samples:
    """The speech in `sound`, shape (n,), played `speed` times as fast, before anything is changed.

    Where speech lies is told from the clean sound: so much a gate hears in noise, too.
    """
    return resample(trimmed(np.array(sound)), sample_rate * speed, sample_rate)


class AugmentedSound:
    """Speech of clips, at another speed if asked for, augmented, as features.

    What comes out depends on the clip, the speed and the seed alone, not on how many processes
    work on it.
    """

    def __init__(
        self,
        sounds: SoundCache,
        augmenter: Augmenter,
        settings: FeatureSettings,
        workers: int = 0,
    ) -> None:
        self._work = _Work(sounds, augmenter, settings)
        self._pool = (
            ProcessPoolExecutor(workers, get_context("spawn"), _begin, (self._work,))
            if workers
            else None
        )

    def features(
        self, clips: Sequence[Clip], speeds: Sequence[float], seeds: Iterable[int]
    ) -> list[Features]:
        """The features of each clip, before standardisation."""
        jobs = zip(clips, speeds, map(int, seeds), strict=True)
        if self._pool is None:
            return [self._work(*job) for job in jobs]
        return list(self._pool.map(_do, jobs, chunksize=8))

    def close(self) -> None:
        """End the processes."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


class _Work:
    def __init__(self, sounds: SoundCache, augmenter: Augmenter, settings: FeatureSettings) -> None:
        raw = settings.model_copy(update={"mean": 0.0, "deviation": 1.0})
        self._parts = (sounds, augmenter, raw)
        self._front_end: LogMel | None = None

    def __call__(self, clip: Clip, speed: float, seed: int) -> Features:
        sounds, augmenter, raw = self._parts
        self._front_end = self._front_end or LogMel(raw)
        sound = speech_at_speed(sounds.get(clip), raw.sample_rate, speed)
        sound = augmenter(sound, (seed,))
        missing = raw.samples_for(24) - len(sound)
        return self._front_end(np.pad(sound, (0, max(0, missing)))).astype(np.float16)


_work: _Work | None = None


def _begin(work: _Work) -> None:
    """Called once in each process."""
    global _work
    _work = work


def _do(job: tuple[Clip, float, int]) -> Features:
    assert _work is not None  # noqa: S101 - set when the process began
    return _work(*job)
