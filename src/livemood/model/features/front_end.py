"""Log-mel features in numpy, the same to the last bit whatever blocks the sound comes in.

Every frame is computed from its own samples alone and by operations whose order does not depend
on how many frames are computed together: a real FFT along each row, and matrix products over the
mel bands that always take the same number of rows. BLAS picks its summation order by that number;
left to itself, live and offline results would differ in the last bits.
"""

import math
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from livemood.audio.block import Samples
from livemood.model.features.level import DB_OF_NATURAL, LevelNormalisation, LevelSettings
from livemood.model.features.mel import mel_filters

Frames = NDArray[np.float32]
"""Log-mel features, shape (frames, mels)."""

Float32 = NDArray[np.float32]

_ROWS = 8
"""Frames in one matrix product."""

_CHUNK = 4 * _ROWS
"""Frames computed at a time: what lies between the steps then stays in the processor's cache."""

_PER_BASE_10 = np.float32(1.0 / math.log(10.0))


class FeatureSettings(BaseModel):
    """What the front end computes, as the model's manifest states it.

    `log-mel` has bands on the HTK mel scale, 2595 log10(1 + f/700), of unit height, and the
    natural logarithm. `whisper-log-mel` is that of Whisper (Radford et al. 2022): bands on
    Slaney's scale, each divided by its width, and the logarithm to base 10.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["log-mel", "whisper-log-mel"] = "log-mel"
    sample_rate: int = Field(16000, gt=0)
    """Samples a second."""
    frame_length: int = Field(400, gt=0)
    """Samples under the (periodic) Hann window of one frame."""
    hop_length: int = Field(160, gt=0)
    """Samples from one frame to the next."""
    fft_length: int = Field(1024, gt=0)
    """Samples of the zero-padded FFT."""
    mels: int = Field(64, gt=0)
    """Number of triangular bands."""
    low_hz: float = Field(60.0, ge=0)
    high_hz: float = Field(7800.0, gt=0)
    log_offset: float = Field(float(np.finfo(np.float32).eps), gt=0)
    """Added to the power in each band before the logarithm; of `whisper-log-mel`, the least
    power that counts."""
    mean: float = 0.0
    """Mean of the logarithms over the training corpus, subtracted."""
    deviation: float = Field(1.0, gt=0)
    """Their standard deviation, divided by."""
    level: LevelSettings | None = None
    """How the level is taken out before `mean` is subtracted; not at all if there is none."""

    @model_validator(mode="after")
    def _check(self) -> "FeatureSettings":
        if self.frame_length > self.fft_length:
            raise ValueError("frame_length must not exceed fft_length")
        if not self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise ValueError("low_hz < high_hz <= sample_rate / 2 must hold")
        return self

    def frames_in(self, samples: int) -> int:
        """How many whole frames fit into `samples`."""
        return max(0, (samples - self.frame_length) // self.hop_length + 1)

    def samples_for(self, frames: int) -> int:
        """How many samples `frames` whole frames (at least one) cover."""
        return (frames - 1) * self.hop_length + self.frame_length


WHISPER = {
    "kind": "whisper-log-mel",
    "fft_length": 400,
    "mels": 80,
    "low_hz": 0.0,
    "high_hz": 8000.0,
    "log_offset": 1e-10,
}
"""Whisper's own settings, less what takes the level out."""


class LogMel:
    """Log-mel frames for one set of settings. Keeps nothing between calls; one thread at a time.

    Frames are standardised, unless the level is to be taken out of them first: see
    `livemood.model.features.level`.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        self.settings = s = settings
        n = np.arange(s.frame_length)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * n / s.frame_length)).astype(np.float32)
        # Behind each frame lie the zeros that fill up the FFT, written once and for all.
        self._padded = np.zeros((_CHUNK, s.fft_length), np.float32)
        self._spectrum = np.empty((_CHUNK, s.fft_length // 2 + 1), np.complex64)
        self._power, self._square = (np.empty(self._spectrum.shape, np.float32) for _ in "ab")

    def __call__(self, samples: Samples, out: Frames | None = None) -> Frames:
        """Log-mel values of every whole frame in `samples`, written to `out` if it is given.

        `samples` is float32 of shape (n,) or (streams, n); the result is float32 of shape
        (frames, mels) or (streams, frames, mels), frame i starting at sample i * hop_length.
        Values that are not finite count as silence.
        """
        s = self.settings
        samples = np.ascontiguousarray(samples, np.float32)
        if samples.ndim > 1:
            return np.stack([self(row) for row in samples])
        if not math.isfinite(float(np.dot(samples, samples))):  # one product tells of any of them
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        frames = self._frames(samples)
        if out is None:
            out = np.empty((len(frames), s.mels), np.float32)
        for start in range(0, len(frames), _CHUNK):
            self._log_mel(frames[start : start + _CHUNK], out[start : start + _CHUNK])
        return out

    def _frames(self, samples: Samples) -> Samples:
        """Overlapping frames of contiguous `samples`, a view of shape (frames, length)."""
        s = self.settings
        shape, step = (s.frames_in(len(samples)), s.frame_length), samples.strides[0]
        return np.ndarray(shape, np.float32, samples, strides=(s.hop_length * step, step))

    def _log_mel(self, frames: Samples, out: Frames) -> None:
        s, count = self.settings, len(frames)
        rows = -(-count // _ROWS) * _ROWS
        np.multiply(frames, self._window, out=self._padded[:count, : s.frame_length])
        spectrum = np.fft.rfft(self._padded[:rows], out=self._spectrum[:rows])  # type: ignore[arg-type]
        power = np.square(spectrum.real, out=self._power[:rows])
        power += np.square(spectrum.imag, out=self._square[:rows])
        power = power.reshape(-1, _ROWS, power.shape[-1])
        for bins, bands, weights in self._filters:
            mel = np.matmul(power[..., bins], weights).reshape(rows, -1)
            out[:, bands] = mel[:count]
        if s.kind == "log-mel":
            out += np.float32(s.log_offset)
            np.log(out, out=out)
        else:
            np.maximum(out, np.float32(s.log_offset), out=out)
            np.log(out, out=out)
            out *= _PER_BASE_10
        if s.level is None:
            out -= np.float32(s.mean)
            out *= np.float32(1.0 / s.deviation)

    @cached_property
    def _filters(self) -> list[tuple[slice, slice, Samples]]:
        """The triangles as two matrices, of the lower and the higher bands: bins, bands, weights.

        Each leaves out the bins that none of its bands hears, half of all the products.
        """
        s = self.settings
        triangles = mel_filters(
            s.mels,
            s.fft_length,
            s.sample_rate,
            s.low_hz,
            s.high_hz,
            "htk" if s.kind == "log-mel" else "slaney",
        )
        filters = []
        for bands in (slice(0, 5 * s.mels // 8), slice(5 * s.mels // 8, s.mels)):
            covered = np.flatnonzero(triangles[:, bands].any(axis=1))
            if len(covered):
                bins = slice(int(covered[0]), int(covered[-1]) + 1)
                filters.append((bins, bands, np.ascontiguousarray(triangles[bins, bands])))
        return filters


class FrontEnd:
    """Log-mel features as the network takes them, the level taken out where that is wanted."""

    def __init__(self, settings: FeatureSettings, *, first: int, group: int) -> None:
        """`first` frames are seen by the first block of a stream; each later one adds `group`."""
        self.settings = settings
        self.log_mel = LogMel(settings)
        self._level = level_normalisation(settings, first=first, group=group)

    def __call__(self, samples: Samples) -> Frames:
        """Features of every whole frame in `samples`, float32 of shape (n,) or (streams, n).

        Shape (frames, mels) or (streams, frames, mels); the sound begins with `samples`.
        """
        frames = self.log_mel(samples)
        self.finish(frames, None)
        return frames

    def finish(self, frames: Frames, maximum: Float32 | None) -> Float32 | None:
        """Take the level out of what `log_mel` gave, in place.

        `frames` (..., frames, mels) follow the ones that left `maximum`; none did if that is None.
        Returns the maximum to go on from. Does nothing where the level stays.
        """
        if self._level is None or not frames.shape[-2]:
            return maximum
        return self._level(frames, maximum)


def level_normalisation(
    settings: FeatureSettings, *, first: int, group: int
) -> LevelNormalisation | None:
    """What takes the level out of log-mel frames of `settings`, in groups; None if it stays."""
    if settings.level is None:
        return None
    return LevelNormalisation(
        settings.level,
        first=first,
        group=group,
        frames_s=settings.sample_rate / settings.hop_length,
        unit_db=DB_OF_NATURAL if settings.kind == "log-mel" else 10.0,
        mean=settings.mean,
        deviation=settings.deviation,
    )
