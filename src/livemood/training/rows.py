"""Rows kept between hops, in 8 bits and laid out as the convolutions read them.

What a quantized network keeps of its first two blocks goes through the quantizer of the next
convolution anyway. Keeping what comes out of it, not what goes in, changes no number, spares three
quarters of the memory, and leaves out a dozen nodes that convert and reorder.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

TO_CHANNELS_LAST = (0, 2, 3, 1)
TO_CHANNELS_FIRST = (0, 3, 1, 2)
_AXIS = "rows_axis"


def keep_in_8_bits(path: Path) -> None:
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
