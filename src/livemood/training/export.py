"""From torch to the model file: ONNX, parity, static int8 quantization with calibration."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
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
from livemood.model.network import OnnxNetwork
from livemood.training.network import DcRnn

TOLERANCE = 1e-4
"""Largest difference of a logit between torch and ONNX Runtime, both in float32."""

logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)


def export_onnx(network: DcRnn, mels: int, path: Path) -> float:
    """Write `network` to `path` and return the largest difference of a logit from torch.

    Raises `ModelError` if it exceeds the tolerance at any of several lengths and batch sizes: an
    exporter once wrote recurrent layers that were wrong without a word.
    """
    network = network.eval().float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.randn(2, 151, mels),),
            str(path),
            input_names=["features"],
            output_names=["logits"],
            dynamic_axes={"features": {0: "batch", 1: "frames"}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    exported = OnnxNetwork(path, "cpu")
    rng = np.random.default_rng(0)
    worst = 0.0
    for batch in (1, 2, 7):
        for frames in (network.context_frames, 98, 151, 298, 601):
            features = rng.standard_normal((batch, frames, mels)).astype(np.float32)
            with torch.no_grad():
                expected = network(torch.from_numpy(features)).numpy()
            worst = max(worst, float(np.abs(exported(features) - expected).max()))
    if worst > TOLERANCE:
        raise ModelError(f"the exported network differs from torch by {worst:.2g}")
    return worst


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, windows: Sequence[Frames]) -> None:
        self._windows: Iterator[Frames] = iter(windows)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        window = next(self._windows, None)
        return None if window is None else {"features": window[np.newaxis]}


def quantize(source: Path, target: Path, calibration: Sequence[Frames]) -> None:
    """Write the float network `source` as static int8 (QDQ) to `target`.

    Convolutions and linear layers become int8, one scale for each output channel; the recurrent
    layer and the pooling stay in float. `calibration` holds windows of training speakers.
    """
    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    try:
        quantize_static(
            str(prepared),
            str(target),
            _Calibration(calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "MatMul", "Gemm", "Relu", "MaxPool"],
        )
    finally:
        prepared.unlink()
