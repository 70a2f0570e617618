"""One distribution of several: a calibrated product of experts, and a learned gate over it.

Pure arithmetic on probabilities over the same labels.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
LEAST: Final = 1e-4
"""No expert rules a label out: a probability counts as at least this."""

GATE_INPUTS: Final = (
    "one",
    "how sure the voice is",
    "how sure the words are",
    "how far both disagree",
    "how far the words say the first label",
)
"""What a gate's coefficients multiply, in order: 1; one less the entropy over that of even odds, of
the voice and of the words; the Jensen-Shannon divergence of both, over log 2; the words'
probability of the first label. Each lies in [0, 1]."""


def product(
    probabilities: Sequence[Float64], priors: Sequence[Float64], weights: Sequence[float]
) -> Float64:
    """The product of experts (Hinton 2002): even odds times each expert's gain to its weight.

    An expert's gain is its probability over its prior: what it says beyond what it would say of
    anything. With weight 0 an expert says nothing, with 1 it counts in full, as it should where
    experts err independently. One expert of even priors alone, with weight 1, is given back.
    """
    logarithm = np.zeros(len(probabilities[0]))
    for p, prior, weight in zip(probabilities, priors, weights, strict=True):
        gain = np.log(np.maximum(p, LEAST)) - np.log(prior)
        logarithm += weight * gain
    powers = np.exp(logarithm - logarithm.max())
    out: Float64 = powers / powers.sum()
    return out


def gate_inputs(voice: Float64, words: Float64) -> Float64:
    """The five `GATE_INPUTS` of two distributions (labels,)."""
    even = np.log(len(voice))
    mean = (voice + words) / 2
    divergence = _entropy(mean) - (_entropy(voice) + _entropy(words)) / 2
    sure = [1 - _entropy(voice) / even, 1 - _entropy(words) / even]
    return np.array([1.0, *sure, max(0.0, divergence) / np.log(2), words[0]])


def gate_weights(
    voice: Float64,
    words: Float64,
    voice_coefficients: Sequence[float],
    words_coefficients: Sequence[float],
) -> tuple[float, float]:
    """Weights of voice and words, each in [0, 2], by the gate's coefficients."""
    inputs = gate_inputs(voice, words)
    return _weight(float(inputs @ voice_coefficients)), _weight(float(inputs @ words_coefficients))


def _weight(value: float) -> float:
    return float(2 / (1 + np.exp(-value)))


def _entropy(distribution: Float64) -> float:
    return float(-(distribution * np.log(np.maximum(distribution, 1e-12))).sum())
