"""A pretrained text encoder (BERT or XLNet) with a head that names emotions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from livemood.errors import UsageError
from livemood.text.packages import PREFIX, find_folder

FILES: Final = ("config.json", "model.safetensors", "tokenizer.json")


class TextEncoder(nn.Module):
    """The mean over a sentence's tokens of what the encoder's last layer says, then a linear layer.

    The tokens' mean is how sentence encoders of the MiniLM family were trained (Reimers & Gurevych
    2019).
    """

    def __init__(self, encoder: nn.Module, width: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, labels)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits (batch, labels) of token numbers and their mask, both (batch, tokens), int64."""
        steps = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(steps.dtype)
        pooled = (steps * weight).sum(1) / weight.sum(1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def layers(self) -> Sequence[nn.Module]:
        """The encoder's layers, from the embeddings upwards."""
        encoder: Any = self.encoder
        if hasattr(encoder, "embeddings"):
            return [encoder.embeddings, *encoder.encoder.layer]
        return [encoder.word_embedding, *encoder.layer]


def pretrained_folder(name: str, encoders: Path | None) -> Path:
    """The folder of a pretrained encoder: see `TextNetwork.pretrained`.

    Raises `UsageError` if it is not there, or not whole.
    """
    if name.startswith(PREFIX):
        folder = find_folder(name)
    elif encoders is None:
        raise UsageError(f"say with --encoders in which folder the encoder {name} lies")
    else:
        folder = encoders / name
    if missing := [file for file in FILES if not (folder / file).is_file()]:
        raise UsageError(f"the encoder at {folder} has no {missing[0]}")
    return folder


def load_encoder(folder: Path) -> tuple[nn.Module, int]:
    """The encoder in `folder`, of the class that its configuration names, and its width.

    Raises `UsageError` for another class than BERT and XLNet, or for weights that do not fit it.
    """
    from transformers import BertModel, XLNetModel  # takes seconds to load
    from transformers.utils import logging as transformers_log

    transformers_log.set_verbosity_error()  # what it says of left-out poolers is no news
    transformers_log.disable_progress_bar()
    classes: dict[str, Any] = {"bert": BertModel, "xlnet": XLNetModel}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = config.get("model_type")
    if kind not in classes:
        raise UsageError(f"the encoder at {folder} is of kind {kind}: bert and xlnet are known")
    extra = {"add_pooling_layer": False, "attn_implementation": "eager"} if kind == "bert" else {}
    try:
        encoder, about = classes[kind].from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, **extra
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UsageError(f"the encoder at {folder} cannot be loaded: {reason}") from None
    if missing := sorted(about["missing_keys"]):
        raise UsageError(f"the encoder at {folder} lacks weights: {', '.join(missing[:3])}")
    width = int(encoder.config.hidden_size)
    return encoder, width
