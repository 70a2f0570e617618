"""Log-mel features in numpy, the same to the last bit whatever blocks the sound comes in.

Every frame is computed from its own samples alone and by operations whose order does not depend
on how many frames are computed together: a real FFT along each row, and sums over each mel band's
own bins. A matrix product would be shorter, but BLAS picks its summation order by the number of
rows, and then live and offline results differ in the last bits.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from livemood.audio.block import Samples

Frames = NDArray[np.float32]
"""Standardised log-mel features, shape (frames, mels)."""

_CHUNK = 28
"""Frames computed at a time: what lies between the steps then stays in the processor's cache."""


class FeatureSettings(BaseModel):
    """What the front end computes, as the model's manifest states it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["log-mel"] = "log-mel"
    sample_rate: int = Field(16000, gt=0)
    """Samples a second."""
    frame_length: int = Field(400, gt=0)
    """Samples under the (periodic) Hann window of one frame."""
    hop_length: int = Field(160, gt=0)
    """Samples from one frame to the next."""
    fft_length: int = Field(1024, gt=0)
    """Samples of the zero-padded FFT."""
    mels: int = Field(64, gt=0)
    """Number of triangular bands on the HTK mel scale, 2595 log10(1 + f/700), unit height."""
    low_hz: float = Field(60.0, ge=0)
    high_hz: float = Field(7800.0, gt=0)
    log_offset: float = Field(float(np.finfo(np.float32).eps), gt=0)
    """Added to the power in each band before the natural logarithm."""
    mean: float = 0.0
    """Mean of the log-mel values over the training corpus, subtracted."""
    deviation: float = Field(1.0, gt=0)
    """Their standard deviation, divided by."""

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


@dataclass(frozen=True)
class LogMel:
    """The front end for one set of settings. Holds no state between calls."""

    settings: FeatureSettings

    def __call__(self, samples: Samples) -> Frames:
        """Features of every whole frame in `samples`.

        `samples` is float32 of shape (n,) or (streams, n); the result is float32 of shape
        (frames, mels) or (streams, frames, mels), frame i starting at sample i * hop_length.
        Values that are not finite count as silence.
        """
        s = self.settings
        if samples.shape[-1] < s.frame_length:
            return np.empty((*samples.shape[:-1], 0, s.mels), np.float32)
        if not np.isfinite(samples).all():
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        frames = self._frames(np.ascontiguousarray(samples, np.float32))
        out = np.empty((*frames.shape[:-1], s.mels), np.float32)
        for start in range(0, frames.shape[-2], _CHUNK):
            chunk = (..., slice(start, start + _CHUNK), slice(None))
            out[chunk] = self._log_mel(frames[chunk])
        return out

    def _frames(self, samples: Samples) -> Samples:
        """Overlapping frames of contiguous `samples`, a view of shape (..., frames, length)."""
        s = self.settings
        *outer, step = samples.strides
        return np.ndarray(
            (*samples.shape[:-1], s.frames_in(samples.shape[-1]), s.frame_length),
            np.float32,
            samples,
            strides=(*outer, s.hop_length * step, step),
        )

    def _log_mel(self, frames: Samples) -> Frames:
        s = self.settings
        rising, falling, starts = self._bands
        spectrum = np.fft.rfft(frames * self._window, s.fft_length)[..., : len(rising)]
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        # Each bin belongs to two triangles: it rises towards one and falls from the one before.
        mel = np.add.reduceat(power * rising, starts, axis=-1)[..., :-1]
        mel += np.add.reduceat(np.multiply(power, falling, out=power), starts, axis=-1)[..., 1:]
        mel += np.float32(s.log_offset)
        np.log(mel, out=mel)
        mel -= np.float32(s.mean)
        mel *= np.float32(1.0 / s.deviation)
        out: Frames = mel
        return out

    @cached_property
    def _window(self) -> Samples:
        n = self.settings.frame_length
        return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)

    @cached_property
    def _bands(self) -> tuple[Samples, Samples, NDArray[np.intp]]:
        """Weights of each FFT bin in the band it rises to and falls from; where stretches start.

        The mels + 2 band edges cut the bins into mels + 1 stretches; stretch m rises towards the
        centre of band m and falls from the centre of band m - 1.
        """
        s = self.settings
        edges = _mel_edges(s)
        hz = np.arange(s.fft_length // 2 + 1) * (s.sample_rate / s.fft_length)
        hz = hz[hz < edges[-1]]
        stretch = np.searchsorted(edges, hz, side="right") - 1
        starts = np.searchsorted(stretch, np.arange(s.mels + 1))
        if np.any(np.diff(np.append(starts, len(hz))) == 0):
            raise ValueError(
                f"{s.mels} mel bands are too many for an FFT of {s.fft_length}: a band has no bin"
            )
        inside = stretch >= 0
        low, high = edges[np.maximum(stretch, 0)], edges[np.maximum(stretch, 0) + 1]
        rising = np.where(inside, (hz - low) / (high - low), 0.0)
        falling = np.where(inside, (high - hz) / (high - low), 0.0)
        return rising.astype(np.float32), falling.astype(np.float32), starts


def _mel_edges(s: FeatureSettings) -> NDArray[np.float64]:
    """The mels + 2 edges of the bands in Hz, evenly spaced on the HTK mel scale."""
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (s.low_hz, s.high_hz))
    edges: NDArray[np.float64] = 700.0 * (
        10.0 ** (np.linspace(low, high, s.mels + 2) / 2595.0) - 1.0
    )
    return edges
