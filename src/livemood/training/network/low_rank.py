"""Low-rank convolutions, fitted to give what the whole ones gave.

The product of two small kernels that is nearest to a kernel (the singular value decomposition) is
not the one whose outputs are nearest: speech uses some directions much more than others. So the
factors are fitted to the outputs of the whole blocks on speech, as Zhang et al. 2016 do by
regression, here by gradient; no labels are needed.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livemood.training.network.encoder import ConvolutionalEncoder

FRAMES: Final = 300
"""Of each example, 3 s."""
BATCH: Final = 8
HELD: Final = 20
"""Utterances, the last ones, that are measured on and not fitted to."""


def fit_low_rank(
    whole: ConvolutionalEncoder,
    factored: ConvolutionalEncoder,
    speech: Sequence[NDArray[np.float32]],
    *,
    steps: int = 500,
    seed: int = 1,
) -> dict[str, float]:
    """Fit the second and third block of `factored` to those of `whole`; all else it takes as it is.

    `speech` are standardised features (frames, mels); those shorter than 3 s are passed over.
    Returns the error on held-out utterances, as a share of the variance, after each block.
    Raises `ValueError` if there are fewer than 40 that are long enough.
    """
    long_enough = [each for each in speech if len(each) > FRAMES]
    if len(long_enough) < 2 * HELD:
        raise ValueError(f"{len(long_enough)} utterances of 3 s or more; it takes {2 * HELD}")
    torch.manual_seed(seed)
    factored.take(whole, torch.arange(len(whole.linear.state_dict()["3.bias"])))
    whole.eval().requires_grad_(False)
    factored.requires_grad_(False)
    blocks = factored.convolutions[4:].requires_grad_(True).train()
    optimizer = torch.optim.Adam(blocks.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps, pct_start=0.1)
    for features in _batches(long_enough[:-HELD], steps, seed):
        wanted = _maps(whole, features)
        loss = torch.stack(_errors(_above(factored, wanted[0]), wanted[1:])).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    factored.eval().requires_grad_(True)
    return _measured(whole, factored, long_enough[-HELD:])


def _batches(speech: Sequence[NDArray[np.float32]], steps: int, seed: int) -> Iterator[Tensor]:
    """Stretches of 3 s at other levels, and with other tilts of the spectrum, than they have."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(-1.0, 1.0, speech[0].shape[1], dtype=np.float32)
    for _ in range(steps):
        cut = []
        for index in rng.integers(len(speech), size=BATCH):
            at = int(rng.integers(len(speech[index]) - FRAMES))
            change = rng.uniform(-0.7, 0.5) + slope * rng.uniform(-0.3, 0.3)  # deviations
            cut.append(speech[index][at : at + FRAMES] + change.astype(np.float32))
        yield torch.from_numpy(np.stack(cut))


@torch.no_grad()
def _maps(encoder: ConvolutionalEncoder, features: Tensor) -> list[Tensor]:
    """The output of each block."""
    first = encoder.through(features, 1)
    return [first, *_above(encoder, first)]


def _above(encoder: ConvolutionalEncoder, first: Tensor) -> list[Tensor]:
    second = encoder.convolutions[4:8](first)
    return [second, encoder.convolutions[8:](second)]


def _errors(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> list[Tensor]:
    """Mean squares of the differences, as shares of the variance."""
    return [(a - b).square().mean() / b.var() for a, b in zip(found, wanted, strict=True)]


def _measured(
    whole: ConvolutionalEncoder,
    factored: ConvolutionalEncoder,
    speech: Sequence[NDArray[np.float32]],
) -> dict[str, float]:
    errors = []
    for each in speech:
        wanted = _maps(whole, torch.from_numpy(each)[None])
        found = _maps(factored, torch.from_numpy(each)[None])
        errors.append([float(e) for e in _errors(found[1:], wanted[1:])])
    second, third = np.mean(errors, axis=0)
    return {"second": round(float(second), 4), "third": round(float(third), 4)}
