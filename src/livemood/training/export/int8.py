"""Static int8 quantization with calibration, and rows that are kept between hops in 8 bits.

What a quantized network keeps of its first two blocks goes through the quantizer of the next
convolution anyway. Keeping what comes out of it, not what goes in, changes no number, spares three
quarters of the memory, and leaves out a dozen nodes that convert and reorder.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from livemood.model.features import Frames
from livemood.model.network import OnnxNetwork
from livemood.training.export.onnx import write_statistics_matrix

logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)

TO_CHANNELS_LAST = (0, 2, 3, 1)
TO_CHANNELS_FIRST = (0, 3, 1, 2)
_AXIS = "rows_axis"


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
        quantize_convolution_caches(target)
        if (matrix := OnnxNetwork(source, "cpu").pooling_matrix) is not None:
            write_statistics_matrix(target, matrix)
    finally:
        prepared.unlink()


def _kept_in_float(path: Path) -> list[str]:
    """Names of all nodes but those of the second and third convolution and the linear layers."""
    nodes = onnx.load(str(path)).graph.node
    quantized = ("/blocks.1/", "/blocks.2/", "/linear/")
    return [n.name for n in nodes if not any(part in n.name for part in quantized)]


def quantize_convolution_caches(path: Path) -> None:
    """Rewrite the quantized network at `path`: rows (batch, kept, bands, channels), uint8."""
    model = onnx.load(str(path))
    graph = model.graph
    nodes = list(graph.node)
    for rows, new_rows in (("rows1", "new_rows1"), ("rows2", "new_rows2")):
        nodes = _kept(nodes, rows, new_rows)
        for value in (*graph.input, *graph.output):
            if value.name in (rows, new_rows):
                kind = value.type.tensor_type
                kind.elem_type = TensorProto.UINT8
                sizes = [_copy(size) for size in kind.shape.dim]
                del kind.shape.dim[:]
                kind.shape.dim.extend(sizes[place] for place in TO_CHANNELS_LAST)
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), _AXIS))
    _replace(graph, nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _kept(nodes: list[NodeProto], rows: str, new_rows: str) -> list[NodeProto]:
    """Quantize new rows first, then join them to those kept; in place of the other way round."""
    joined = _one(nodes, "Concat", rows)
    rounded = _one(nodes, "QuantizeLinear", joined.output[0])
    scale, zero = rounded.input[1:3]
    taken = next(node for node in nodes if node.output[0] == new_rows)
    value = joined.input[1]
    before = next(node for node in nodes if node.output[0] == value)
    out = []
    for node in nodes:
        if node.name in (rounded.name, taken.name):
            continue
        if node.name != joined.name:
            out.append(node)
            continue
        if before.op_type == "DequantizeLinear":  # in 8 bits on the same scale already
            eight_bits = before.input[0]
        else:
            eight_bits = f"{rows}_fresh"
            out.append(helper.make_node("QuantizeLinear", [value, scale, zero], [eight_bits]))
        out += _join(rows, new_rows, eight_bits, rounded.output[0], taken)
    return out


def _join(
    rows: str, new_rows: str, fresh: str, whole: str, taken: NodeProto
) -> Iterator[NodeProto]:
    last, joined = f"{rows}_channels_last", f"{rows}_joined"
    yield helper.make_node("Transpose", [fresh], [last], perm=TO_CHANNELS_LAST)
    yield helper.make_node("Concat", [rows, last], [joined], name=f"{rows}_join", axis=1)
    yield helper.make_node("Transpose", [joined], [whole], perm=TO_CHANNELS_FIRST)
    begin, end, _, stride = taken.input[1:5]
    yield helper.make_node("Slice", [joined, begin, end, _AXIS, stride], [new_rows])


def _one(nodes: list[NodeProto], kind: str, value: str) -> NodeProto:
    """The node of `kind` that takes `value`."""
    return next(node for node in nodes if node.op_type == kind and value in node.input)


def _copy(size: onnx.TensorShapeProto.Dimension) -> onnx.TensorShapeProto.Dimension:
    out = onnx.TensorShapeProto.Dimension()
    out.CopyFrom(size)
    return out


def _replace(graph: GraphProto, nodes: list[NodeProto]) -> None:
    kept = [_node(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def _node(node: NodeProto) -> NodeProto:
    out = NodeProto()
    out.CopyFrom(node)
    return out
