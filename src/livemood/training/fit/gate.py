"""Fits the gate of late fusion: how far to trust a voice and words, by how sure both are."""

import numpy as np
from numpy.typing import NDArray

from livemood.text.experts import LEAST, gate_inputs
from livemood.text.manifest import Gate

Float64 = NDArray[np.float64]
SHRINK = 0.01
"""Pull of each coefficient towards 0, where both sources are taken at their word."""
STEPS, RATE = 400, 0.1


def fit_gate(voice: Float64, words: Float64, word_priors: Float64, truth: NDArray[np.intp]) -> Gate:
    """The gate with the smallest cross entropy on pairs of one emotion.

    `voice` and `words` are probabilities (pairs, labels), the voice's calibrated for even priors;
    `truth` holds the label of each pair. Gradient descent (Adam) from the plain product.
    """
    import torch

    inputs = torch.tensor(np.array([gate_inputs(v, w) for v, w in zip(voice, words, strict=True)]))
    labels = voice.shape[1]
    gains = torch.stack(
        [
            torch.tensor(np.log(np.maximum(voice, LEAST)) + np.log(labels)),
            torch.tensor(np.log(np.maximum(words, LEAST)) - np.log(word_priors)),
        ]
    )
    coefficients = torch.zeros(2, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([coefficients], lr=RATE)
    targets = torch.tensor(truth)
    for _ in range(STEPS):
        weights = 2 * torch.sigmoid(inputs @ coefficients.T)
        logits = weights[:, :1] * gains[0] + weights[:, 1:] * gains[1]
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss = loss + SHRINK * coefficients.square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    fitted = coefficients.detach().numpy().round(4)
    return Gate(voice=tuple(fitted[0].tolist()), words=tuple(fitted[1].tolist()))
