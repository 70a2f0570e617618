"""Decoded sound and features of clips, kept on disk from run to run."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.model.features import FeatureSettings, LogMel
from livemood.training.data.clips import Clip, read_clip
from livemood.training.data.speech import trimmed

Features = NDArray[np.float16]
"""Log-mel features before standardisation, shape (frames, mels)."""


class SoundCache:
    """Decoded sound of clips at one sample rate, float32, one .npy file for each clip."""

    def __init__(self, folder: Path, sample_rate: int) -> None:
        self._folder = folder / f"sound-{sample_rate}"
        self._rate = sample_rate
        self._digests: dict[str, str] = {}

    def get(self, clip: Clip) -> Samples:
        """The clip's sound, shape (n,), mapped from the disk: copy it to change it."""
        path = self._folder / clip.corpus / f"{clip.identity}.npy"
        return kept_array(path, lambda: read_clip(clip, self._rate))

    def digest(self, clip: Clip) -> str:
        """SHA-256 of the decoded sound: the same for files that hold the same sound."""
        identity = clip.identity
        if identity not in self._digests:
            self._digests[identity] = hashlib.sha256(self.get(clip).tobytes()).hexdigest()
        return self._digests[identity]


class FeatureCache:
    """Features of clips, trimmed to speech, kept as one .npy file for each clip and speed."""

    def __init__(self, folder: Path, settings: FeatureSettings) -> None:
        raw = settings.model_copy(update={"mean": 0.0, "deviation": 1.0})
        self._front_end = LogMel(raw)
        key = hashlib.sha256(json.dumps(raw.model_dump(), sort_keys=True).encode())
        self._folder = folder / key.hexdigest()[:12]

    def get(self, clip: Clip, speed: float) -> Features:
        """The features of `clip` played `speed` times as fast."""
        path = self._folder / clip.corpus / f"{clip.identity}@{speed:g}.npy"
        rate = self._front_end.settings.sample_rate
        return np.array(kept_array(path, lambda: self.of(read_clip(clip, rate, speed))))

    def of(self, sound: Samples) -> Features:
        """The features of the speech in `sound`."""
        features: Features = self._front_end(trimmed(sound)).astype(np.float16)
        return features


def kept_array(path: Path, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array in the file `path`, made and written whole if there is none."""
    keep_array(path, make)
    out: NDArray[Any] = np.load(path, mmap_mode="r")
    return out


def keep_array(path: Path, make: Callable[[], NDArray[Any]]) -> None:
    """Make and write the file `path` whole if there is none."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npy")
        np.save(partial, make())
        partial.replace(path)
