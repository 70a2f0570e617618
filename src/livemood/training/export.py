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
from livemood.model.interface import FEATURES, SCORES, VOTES
from livemood.model.network import OnnxNetwork
from livemood.model.pooling import MOMENTS, encoded, weights_of
from livemood.training.network import DcRnn, Moments
from livemood.training.rows import keep_in_8_bits
from livemood.training.streaming import INPUTS, OUTPUTS, Streaming

TOLERANCE = 1e-4
"""Largest difference of a logit between torch and ONNX Runtime, both in float32."""

logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)


def export_onnx(network: DcRnn, mels: int, path: Path) -> float:
    """Write the streaming form of `network` to `path`; the largest difference from torch.

    Raises `ModelError` if it exceeds the tolerance at any of several lengths and batch sizes: an
    exporter once wrote recurrent layers that were wrong without a word.
    """
    streaming = Streaming(network).eval().float()
    axes = {name: {0: "batch"} for name in (*INPUTS, *OUTPUTS)}
    for name, place, size in (
        ("features", 1, "frames"),
        ("rows1", 2, "kept1"),
        ("rows2", 2, "kept2"),
    ):
        axes[name][place] = size
    axes |= {name: {1: "batch"} for name in ("state", "new_state")}
    axes |= {name: {0: "steps", 1: "batch"} for name in ("votes", "scores")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            streaming,
            _inputs(network, 2, 146, 2, mels),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    pooling = network.causal.pooling
    if isinstance(pooling, Moments):
        carry_moments(path, pooling.matrix().numpy())
    worst = _difference(streaming, OnnxNetwork(path, "cpu"), network, mels)
    if worst > TOLERANCE:
        raise ModelError(f"the exported network differs from torch by {worst:.2g}")
    return worst


def _difference(streaming: Streaming, exported: OnnxNetwork, network: DcRnn, mels: int) -> float:
    """The largest difference of any output, fresh and going on, alone and in batches."""
    torch.manual_seed(0)
    worst = 0.0
    for batch in (1, 2, 7):
        for steps in (1, 3, 35, 73):
            for rows in (0, 2):
                frames = network.context_frames + (steps - 1) * network.step_frames
                frames -= network.kept_frames if rows else 0
                inputs = _inputs(network, batch, frames, rows, mels)
                with torch.no_grad():
                    expected = streaming(*inputs)
                    read = None if rows else network.eval()(inputs[0])
                given = (i.numpy() for i in inputs)
                got = exported(dict(zip(INPUTS, given, strict=True)))
                pairs = [(got[n], e) for n, e in zip(OUTPUTS, expected, strict=True)]
                if read is not None:
                    pairs.append((_logits(exported, inputs[0].numpy()), read))
                worst = max(worst, *(float(np.abs(g - e.numpy()).max()) for g, e in pairs))
    return worst


def _logits(network: OnnxNetwork, windows: Frames) -> NDArray[np.float32]:
    """Logits (batch, labels) of whole windows (batch, frames, mels) that nothing precedes."""
    got = network({FEATURES: windows, **network.fresh_state(len(windows))})
    return network.read(network.pool(got[VOTES].swapaxes(0, 1), weights_of(got[SCORES].T)))


def _inputs(
    network: DcRnn, batch: int, frames: int, rows: int, mels: int
) -> tuple[torch.Tensor, ...]:
    """Random inputs of the streaming form."""
    state = torch.tanh(torch.randn(1, batch, network.causal.width))
    rows1 = torch.rand(batch, network.channels, rows, mels // 2)
    rows2 = torch.rand(batch, network.channels, rows, mels // 4)
    return torch.randn(batch, frames, mels), rows1, rows2, state


def carry_moments(path: Path, matrix: NDArray[np.float32]) -> None:
    """Write into the network at `path` what makes logits of mean and deviation of its steps."""
    model = onnx.load(str(path))
    kept = {prop.key: prop.value for prop in model.metadata_props}
    onnx.helper.set_model_props(model, kept | {MOMENTS: encoded(matrix)})
    onnx.save(model, str(path))


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, windows: Sequence[Frames], nothing: dict[str, NDArray[Any]]) -> None:
        self._windows: Iterator[Frames] = iter(windows)
        self._nothing = nothing

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        window = next(self._windows, None)
        return None if window is None else {"features": window[np.newaxis], **self._nothing}


def quantize(source: Path, target: Path, calibration: Sequence[Frames]) -> None:
    """Write the float network `source` as static int8 (QDQ) to `target`.

    Convolutions and linear layers become int8, one scale for each output channel; the recurrent
    layer and the pooling, which are cheap, stay in float, and so does the first convolution, whose
    nine products for each output cost less than rounding it does. Weights keep to 7 bits:
    processors without VNNI add products of 8 bits in 16, which may saturate, and the same model
    would then give other results there. Rows are kept in 8 bits. `calibration` holds windows of
    training speakers.
    """
    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    try:
        quantize_static(
            str(prepared),
            str(target),
            _Calibration(calibration, OnnxNetwork(source, "cpu").fresh_state(1)),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "MatMul", "Gemm", "Relu", "MaxPool"],
            nodes_to_exclude=_kept_in_float(prepared),
        )
        keep_in_8_bits(target)
        if (moments := OnnxNetwork(source, "cpu").pooling_matrix) is not None:
            carry_moments(target, moments)
    finally:
        prepared.unlink()


def _kept_in_float(path: Path) -> list[str]:
    """Names of all nodes but those of the second and third convolution and the linear layers."""
    nodes = onnx.load(str(path)).graph.node
    quantized = ("/blocks.1/", "/blocks.2/", "/linear/")
    return [n.name for n in nodes if not any(part in n.name for part in quantized)]
