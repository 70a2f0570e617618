"""From torch to the model file: ONNX, parity, static int8 quantization with calibration."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from livemood.errors import ModelError
from livemood.model.features import Frames
from livemood.model.network import NEVER, OnnxNetwork
from livemood.training.network import DcRnn, Streaming

TOLERANCE = 1e-4
"""Largest difference of a logit between torch and ONNX Runtime, both in float32."""

logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)


def export_onnx(network: DcRnn, mels: int, path: Path) -> float:
    """Write the streaming form of `network` to `path`; the largest difference from torch.

    Raises `ModelError` if it exceeds the tolerance at any of several lengths and batch sizes: an
    exporter once wrote recurrent layers that were wrong without a word.
    """
    streaming = Streaming(network).eval().float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            streaming,
            _inputs(network, 2, 151, 5, mels),
            str(path),
            input_names=["features", "state", "states", "scores"],
            output_names=["logits", "new_states", "new_scores"],
            dynamic_axes={
                "features": {0: "batch", 1: "frames"},
                "state": {0: "batch"},
                "states": {0: "batch", 1: "kept"},
                "scores": {0: "batch", 1: "kept"},
                "logits": {0: "batch"},
                "new_states": {0: "batch", 1: "steps"},
                "new_scores": {0: "batch", 1: "steps"},
            },
            opset_version=17,
            dynamo=False,
        )
    exported = OnnxNetwork(path, "cpu")
    torch.manual_seed(0)
    worst = 0.0
    for batch in (1, 2, 7):
        for frames in (network.context_frames, 38, 98, 298, 601):
            for kept in (1, 35):
                inputs = _inputs(network, batch, frames, kept, mels)
                with torch.no_grad():
                    expected = streaming(*inputs)
                got = exported(*(i.numpy() for i in inputs))
                pairs = zip(got, expected, strict=True)
                worst = max(worst, *(float(np.abs(g - e.numpy()).max()) for g, e in pairs))
    if worst > TOLERANCE:
        raise ModelError(f"the exported network differs from torch by {worst:.2g}")
    return worst


def _inputs(
    network: DcRnn, batch: int, frames: int, kept: int, mels: int
) -> tuple[torch.Tensor, ...]:
    """Random inputs of the streaming form; half of what is kept is not part of the window."""
    state = torch.tanh(torch.randn(batch, network.recurrent))
    states = torch.tanh(torch.randn(batch, kept, network.recurrent))
    scores = torch.randn(batch, kept)
    scores[:, : (kept + 1) // 2] = NEVER
    return torch.randn(batch, frames, mels), state, states, scores


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, windows: Sequence[Frames], units: int) -> None:
        self._windows: Iterator[Frames] = iter(windows)
        self._nothing = {
            "state": np.zeros((1, units), np.float32),
            "states": np.zeros((1, 1, units), np.float32),
            "scores": np.full((1, 1), NEVER, np.float32),
        }

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        window = next(self._windows, None)
        return None if window is None else {"features": window[np.newaxis], **self._nothing}


def quantize(source: Path, target: Path, calibration: Sequence[Frames]) -> None:
    """Write the float network `source` as static int8 (QDQ) to `target`.

    Convolutions and linear layers become int8, one scale for each output channel; the recurrent
    layer and the pooling, which are cheap, stay in float. Weights keep to 7 bits: processors
    without VNNI add products of 8 bits in 16, which may saturate, and the same model would then
    give other results there. `calibration` holds windows of training speakers.
    """
    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    try:
        quantize_static(
            str(prepared),
            str(target),
            _Calibration(calibration, OnnxNetwork(source, "cpu").units),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "MatMul", "Gemm", "Relu", "MaxPool"],
            nodes_to_exclude=_nodes_of_head(prepared),
        )
    finally:
        prepared.unlink()


def _nodes_of_head(path: Path) -> list[str]:
    """Names of the nodes behind the front."""
    return [node.name for node in onnx.load(str(path)).graph.node if "/causal/" in node.name]
