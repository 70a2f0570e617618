"""Sound from other programs, checked and brought to float32 in [-1, 1]."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livemood.audio.block import Samples
from livemood.errors import UsageError

PLAUSIBLE_PEAK: Final = 100.0
"""A float beyond this is no sound in [-1, 1], however far it is overdriven."""


def scale_fault(samples: NDArray[Any]) -> str | None:
    """What is wrong with floats that are integers in disguise, in a line; None if they are not.

    They reach beyond `PLAUSIBLE_PEAK`, or are whole numbers that reach beyond 1. Values that are
    not finite do not count.
    """
    if not samples.size or (samples.max() <= 1 and samples.min() >= -1):
        return None
    finite = samples[np.isfinite(samples)]
    peak = float(np.max(np.abs(finite), initial=0.0))
    whole = peak > 1 and np.array_equal(finite, np.rint(finite))
    if peak <= PLAUSIBLE_PEAK and not whole:
        return None
    return (
        f"the sound's values reach {peak:g}, not 1: divide integer samples by their full scale "
        "(32768 for 16 bits)"
    )


def to_samples(block: NDArray[Any], channels: int) -> Samples:
    """A copy of `block` as float32, shape (n, channels).

    `block` is float32 in [-1, 1] or int16, shape (n,) for one channel or (n, channels); int16 is
    divided by 32768. Values that are not finite stay: the intake makes a gap of them. Raises
    `UsageError` for another type or shape, and for floats that are integers in disguise.
    """
    if not isinstance(block, np.ndarray):
        raise UsageError(
            f"a block of sound must be a numpy array, not {type(block).__name__}: "
            "use numpy.frombuffer for bytes"
        )
    if block.ndim == 1 and channels == 1:
        block = block[:, np.newaxis]
    if block.ndim != 2 or block.shape[1] != channels:
        wanted = "(n,) or (n, 1)" if channels == 1 else f"(n, {channels})"
        raise UsageError(f"a block of sound must have the shape {wanted}, not {block.shape}")
    if block.dtype == np.int16:
        return block.astype(np.float32) / np.float32(32768.0)
    if block.dtype != np.float32:
        raise UsageError(
            f"a block of sound must be float32 in [-1, 1] or int16, not {block.dtype}: "
            "convert it first"
        )
    if fault := scale_fault(block):
        raise UsageError(fault)
    return np.array(block, np.float32)


FULL_SCALE: Final = {np.dtype(np.int16): 2.0**15, np.dtype(np.int32): 2.0**31}
"""What integer samples are divided by."""


def to_clip(samples: ArrayLike) -> Samples:
    """A mono clip as float32 in [-1, 1], shape (n,).

    Floats are taken as they are, int16 and int32 are divided by their full scale. Raises
    `UsageError` for another type or shape, for an empty clip, for values that are not finite, and
    for floats of integer scale: beyond `PLAUSIBLE_PEAK`, or whole numbers beyond 1.
    """
    given = np.asarray(samples)
    if given.ndim != 1 or not len(given):
        raise UsageError(f"a clip must be mono sound of shape (n,), not {given.shape}")
    if given.dtype in FULL_SCALE:
        return (given / FULL_SCALE[given.dtype]).astype(np.float32)
    if not np.issubdtype(given.dtype, np.floating):
        raise UsageError(
            f"the sound must be floats in [-1, 1], int16 or int32, not {given.dtype}: "
            "convert it first"
        )
    if not np.isfinite(given).all():
        raise UsageError("the sound has values that are not finite (NaN or infinite)")
    if fault := scale_fault(given):
        raise UsageError(fault)
    return given.astype(np.float32)
