"""From the outputs of steps to the logits of a window."""

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.errors import ModelError

Float32 = NDArray[np.float32]
Probabilities = NDArray[np.float64]
"""One row of label probabilities for each window, shape (windows, labels); rows sum to 1."""

MOMENTS: Final = "livemood.moments"
"""Where a file carries what makes logits of mean and deviation: float32, little-endian, base64."""
BASELINE: Final = "livemood.baseline"
"""Where a file carries mean and deviation of those statistics over training speakers."""
LEAST_VARIANCE: Final = np.float32(1e-5)
_STEEPEST: Final = np.float32(40.0)


@dataclass(frozen=True, slots=True)
class Speakers:
    """How the statistics of windows lie over training speakers."""

    mean: Float32
    """Shape (2 x width,)."""
    deviation: Float32
    """Shape (2 x width,), all above 0."""


def weights_of(scores: Float32) -> Float32:
    """What each step weighs by its attention score: its exponential, far from over- and underflow.

    Divided by their sum, as `statistics` does, these are the softmax of any window's scores.
    """
    out: Float32 = np.maximum(scores, -_STEEPEST)
    np.minimum(out, _STEEPEST, out=out)
    return np.exp(out, out=out)


def weighted_mean(votes: Float32, weights: Float32) -> Float32:
    """The weighted mean (windows, width) of step outputs (windows, steps, width)."""
    heavy, total = weights[:, np.newaxis], np.add.reduce(weights, axis=1, keepdims=True)
    mean: Float32 = np.matmul(heavy, votes)[:, 0]
    mean /= total
    return mean


def statistics(votes: Float32, weights: Float32) -> Float32:
    """Mean and deviation over time, shape (windows, 2 x width), by weights, some of them not 0.

    Statistics pooling, Okabe et al. 2018. Each window is a product of its own, so it reads the
    same alone and in a batch.
    """
    mean = weighted_mean(votes, weights)
    # About the mean, not from the mean of squares: what hardly varies would drown in rounding.
    around = votes - mean[:, np.newaxis]
    around *= around
    variance = weighted_mean(around, weights)
    return np.concatenate((mean, np.sqrt(variance + LEAST_VARIANCE)), axis=1)


def logits_of(pooled: Float32, matrix: Float32) -> Float32:
    """Logits (windows, labels) of statistics (windows, values); the bias is the last row."""
    out: Float32 = np.matmul(pooled[:, np.newaxis], matrix[:-1])[:, 0]
    out += matrix[-1]
    return out


def pooling_matrix(written: dict[str, str], width: int, path: Path) -> Float32 | None:
    """The matrix for `logits_of`, (2 x width + 1, labels), in the metadata of the file at `path`.

    None if it has none. Raises `ModelError` if it is damaged.
    """
    if MOMENTS not in written:
        return None
    return _array(written[MOMENTS], 2 * width + 1, path)


def speakers_of(written: dict[str, str], width: int, path: Path) -> Speakers | None:
    """How statistics lie over training speakers, by the metadata of the file at `path`.

    None if it does not say. Raises `ModelError` if it is damaged.
    """
    if BASELINE not in written:
        return None
    values = _array(written[BASELINE], 2, path)
    if values.shape[1] != 2 * width or not (values[1] > 0).all():
        raise ModelError(f"{path} is damaged: its statistics of training speakers do not fit")
    return Speakers(values[0], values[1])


def _array(text: str, rows: int, path: Path) -> Float32:
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
        out: Float32 = values.reshape(rows, -1).astype(np.float32)
    except ValueError:
        out = np.full((1, 1), np.nan, np.float32)
    if not out.size or not np.isfinite(out).all():
        raise ModelError(f"{path} is damaged: what pools its steps does not fit them")
    return out


def encoded(values: Float32) -> str:
    """An array as the metadata of a file carry it."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def sigmoid(logit: float) -> float:
    """The probability that a logit says."""
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, logit))))


def softmax(logits: Float32, temperature: float) -> Probabilities:
    """Probabilities of logits (windows, labels), divided by the temperature before."""
    if len(logits) == 1:  # plain floats: for one row arrays cost more than what they compute
        row = logits[0].tolist()
        top = max(row)
        parts = [math.exp((x - top) / temperature) for x in row]
        total = sum(parts)
        return np.array([[x / total for x in parts]])
    shifted = np.divide(logits, temperature, dtype=np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    out: Probabilities = np.exp(shifted, out=shifted)
    out /= out.sum(axis=-1, keepdims=True)
    return out
