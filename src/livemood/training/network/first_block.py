"""The first block of convolution where it does not learn, in a way that takes less memory traffic.

Training passes it at each step, and it is most of the memory that a small network moves: 64 maps of
the whole spectrogram. Here each of the four values that are pooled is a product of matrices that
fits the cache, and only the largest is kept.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


@torch.no_grad()
def first_block(blocks: nn.Module, features: Tensor) -> Tensor:
    """What the first of `blocks` gives in evaluation, ReLU and pooling included.

    Features (batch, frames, mels) to maps (batch, channels, (frames - 2) // 2, mels // 2). The
    batch norm's scales may be negative: it is folded into the weights, before the largest is taken.
    """
    first, second, *_ = blocks.children()
    convolution, norm = cast(nn.Conv2d, first), cast(nn.BatchNorm2d, second)
    kernel, bias = nn.utils.fusion.fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,  # type: ignore[arg-type]
        norm.running_var,  # type: ignore[arg-type]
        norm.eps,
        norm.weight,
        norm.bias,
    )
    channels, _, frames, bands = kernel.shape
    matrix = kernel.reshape(channels, -1).T.contiguous()
    count, length, mels = features.shape
    rows = (length - frames + 1) // 2
    padded = functional.pad(features, (bands // 2, bands // 2))
    seen = padded.unfold(1, frames, 1).unfold(2, bands, 1)[:, : 2 * rows]
    out = features.new_empty(count, rows, mels // 2, channels)
    for clip, maps in zip(seen, out, strict=True):
        flat = maps.view(-1, channels)
        for number, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            values = clip[row::2, column::2].reshape(-1, frames * bands) @ matrix
            torch.maximum(flat, values, out=flat) if number else flat.copy_(values)
        flat.add_(bias).relu_()
    return out.permute(0, 3, 1, 2)
