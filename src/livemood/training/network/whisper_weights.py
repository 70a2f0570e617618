"""The weights of Whisper's encoder (Radford et al. 2022), from a file that you have."""

import hashlib
import pickle
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from livemood.errors import ModelError

TINY_EN: Final = {
    "a1bc56d415b9a55fcb9caebfbf4b695e3de6e9ffc8d6a0283e60d39fa9cce294": "safetensors",
    "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03": "checkpoint",
}
"""SHA-256 of files that hold Whisper tiny.en: its encoder as safetensors, and the checkpoint
`tiny.en.pt` as OpenAI publishes it, whose address has this digest."""
FILES: Final = ("whisper-tiny-en.safetensors", "whisper-tiny-en-encoder.safetensors", "tiny.en.pt")
"""What such a file may be called."""


def find_weights(folder: Path) -> Path:
    """The file with Whisper tiny.en in `folder`. Raises `ModelError` if there is none."""
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"no weights of Whisper tiny.en in {folder}: it needs {' or '.join(FILES)}")


def read_weights(path: Path, known: dict[str, str] | None = None) -> dict[str, Tensor]:
    """Tensors of the encoder, float32, by the names of openai/whisper less `encoder.`.

    `known` are the digests that may be read; those of tiny.en unless you say others. Raises
    `ModelError` if the file is another one or is damaged.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    kind = (TINY_EN if known is None else known).get(digest)
    if kind is None:
        raise ModelError(f"{path} is not a known file of Whisper: its SHA-256 is {digest}")
    try:
        found = load_file(path) if kind == "safetensors" else _checkpoint(path)
    except (KeyError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ModelError(f"{path} cannot be read: {reason}") from None
    return {name: value.float() for name, value in found.items()}


def _checkpoint(path: Path) -> dict[str, Tensor]:
    """Of OpenAI's checkpoint, what belongs to the encoder."""
    state = torch.load(path, weights_only=True, map_location="cpu")["model_state_dict"]
    front = "encoder."
    return {k.removeprefix(front): v for k, v in state.items() if k.startswith(front)}
