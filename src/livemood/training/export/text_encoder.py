"""A text encoder from torch to int8 in ONNX, and how far each step agrees with the one before."""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

from livemood.errors import ModelError
from livemood.text.manifest import MODEL, TOKENIZER
from livemood.training.network.text_encoder import TextEncoder

logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)
logging.getLogger().addFilter(lambda record: "quantization" not in record.getMessage())

TOLERANCE = 1e-4
"""Largest difference of a logit between torch and ONNX Runtime, both in float32."""


def export_text_encoder(network: TextEncoder, path: Path, vocabulary: int) -> float:
    """Write `network` to `path` in float32; the largest difference of a logit from torch.

    Raises `ModelError` if it exceeds the tolerance at any of several lengths and batch sizes.
    """
    network = network.eval().float().cpu()
    axes = {name: {0: "batch", 1: "length"} for name in ("tokens", "mask")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            _inputs(3, 9, vocabulary),
            str(path),
            input_names=["tokens", "mask"],
            output_names=["logits"],
            dynamic_axes=axes | {"logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch, length in ((1, 1), (1, 3), (2, 17), (5, 40)):
        tokens, mask = _inputs(batch, length, vocabulary)
        with torch.no_grad():
            expected = network(tokens, mask).numpy()
        (got,) = session.run(None, {"tokens": tokens.numpy(), "mask": mask.numpy()})
        worst = max(worst, float(np.abs(got - expected).max()))
    if worst > TOLERANCE:
        raise ModelError(f"the exported text encoder differs from torch by {worst:.2g}")
    return worst


def quantize_text_encoder(source: Path, target: Path) -> None:
    """Write the float network `source` with int8 weights to `target`.

    Dynamic quantization: weights of matrix products and the tables of embeddings are int8, what
    flows between them is rounded as it comes. Weights keep to 7 bits: processors without VNNI add
    products of 8 bits in 16, which may saturate.
    """
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul", "Gather"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    onnx.checker.check_model(str(target))


def write_text_files(network: TextEncoder, tokenizer: Path, longest: int, folder: Path) -> float:
    """Write network (int8) and tokenizer into `folder`, and the float network beside it.

    The largest difference of the float network's logits from torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = Tokenizer.from_file(str(tokenizer))
    kept.no_padding()
    kept.enable_truncation(longest)
    kept.save(str(folder / TOKENIZER), pretty=False)
    whole = folder.with_name(folder.name + "-float32")
    whole.mkdir(exist_ok=True)
    kept.save(str(whole / TOKENIZER), pretty=False)
    worst = export_text_encoder(network, whole / MODEL, kept.get_vocab_size())
    quantize_text_encoder(whole / MODEL, folder / MODEL)
    return worst


def _inputs(batch: int, length: int, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random texts, each of another length."""
    generator = torch.Generator().manual_seed(batch * 1000 + length)
    tokens = torch.randint(0, vocabulary, (batch, length), generator=generator)
    mask = torch.ones_like(tokens)
    for row in range(1, batch):
        mask[row, max(1, length - row) :] = 0
    return tokens * mask, mask
