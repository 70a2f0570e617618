"""Decoded frames of FFmpeg as numpy arrays."""

from typing import TYPE_CHECKING

import numpy as np

from livemood.audio import Samples

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame


def samples_of(frame: "AudioFrame") -> Samples:
    """The sound of a frame, packed or planar, whatever its sample type.

    Returns float32, shape (frames, channels); integers are scaled to [-1, 1).
    """
    values = frame.to_ndarray()
    if values.dtype == np.uint8:
        values = (values.astype(np.float32) - np.float32(128)) / np.float32(128)
    elif values.dtype.kind == "i":
        full = np.float32(2.0 ** (8 * values.dtype.itemsize - 1))
        values = values.astype(np.float32) / full
    elif values.dtype == np.float64:
        largest = float(np.finfo(np.float32).max)  # beyond it lies what is no sound, but no gap
        values = np.where(np.isinf(values), values, np.clip(values, -largest, largest))
    channels = len(frame.layout.channels)
    shaped = values.T if frame.format.is_planar else values.reshape(-1, channels)
    return np.ascontiguousarray(shaped, np.float32)
