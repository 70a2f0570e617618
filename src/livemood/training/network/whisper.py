"""Whisper's encoder in torch: its convolutional stem and its blocks (Radford et al. 2022)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

POSITIONS = 1500
"""Steps of 20 ms that Whisper's table of positions knows: 30 s."""


class Attention(nn.Module):
    """Attention of several heads; keys have no bias, as Whisper's."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`x` (batch, steps, width); `mask` (steps, steps) is true where a step may look."""
        layers = (self.query, self.key, self.value)
        q, k, v = (layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in layers)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention, then two linear layers, each on normed input and beside what they are given."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn, self.attn_ln = Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Steps (batch, steps, width) to as many."""
        x = x + self.attn(self.attn_ln(x), mask)
        out: Tensor = x + self.mlp(self.mlp_ln(x))
        return out


class WhisperStack(nn.Module):
    """The stem and the first `blocks` blocks.

    `positional_embedding` is Whisper's table; positions beyond it begin again.
    """

    def __init__(self, blocks: int = 4, width: int = 384, heads: int = 6, mels: int = 80) -> None:
        super().__init__()
        self.width, self.mels = width, mels
        self.conv1 = nn.Conv1d(mels, width, 3)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.positional_embedding: Tensor
        self.register_buffer("positional_embedding", torch.randn(POSITIONS, width) / 2)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights; those of blocks above are left. Raises `ValueError` if they misfit."""
        own = self.state_dict()
        wrong = [k for k, v in own.items() if k not in tensors or tensors[k].shape != v.shape]
        if wrong:
            raise ValueError(f"the weights of Whisper do not fit at {wrong[0]}")
        self.load_state_dict({name: tensors[name] for name in own})

    def stem(self, features: Tensor, first: int = 0, *, padded: bool = False) -> Tensor:
        """Log-mel (batch, frames, mels) to steps of 20 ms, each with its position from `first`.

        `padded` puts zeros at both ends, as Whisper does; without, only whole kernels are read.
        """
        ends = (1, 1) if padded else (0, 0)
        x = functional.pad(features.transpose(1, 2), ends)
        x = functional.pad(functional.gelu(self.conv1(x)), ends)
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        place = torch.arange(first, first + x.shape[1], device=x.device) % POSITIONS
        return x + self.positional_embedding[place]

    def through(self, x: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """What each block makes of the stem's steps."""
        found = []
        for block in self.blocks:
            x = block(x, mask)
            found.append(x)
        return found
