"""The layers of an exported livemood network, read back from its ONNX file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from livemood.model.network.pooling import pooling_matrix

PROJECTIONS: Final = ("step_projection", "step_projection.0", "readout", "readout.0")
"""How the nodes of the step projection end; the last two are those of models up to 0.4."""


class OnnxLayers:
    """Weights and biases of a livemood network, float or int8, in the order of its file."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(str(path))
        graph = model.graph
        arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self._constants = {name: torch.tensor(array) for name, array in arrays.items()}
        self._made_by = {name: node for node in graph.node for name in node.output}
        self.convolutions: list[list[Tensor]] = []
        self.recurrent: list[Tensor] = []
        linear: dict[str, list[Tensor]] = {}
        for node in graph.node:
            values, layer = list(self._values(node)), node.name.rpartition("/")[0]
            if node.op_type == "Conv" and "/linear/" in node.name:
                linear[layer] = [_as_linear(values[0]), values[1]]
            elif node.op_type == "Conv":
                self.convolutions.append(values)
            elif node.op_type == "GRU":
                self.recurrent = values[:3]
            elif node.op_type == "Gemm":
                linear[layer] = values
            elif node.op_type == "MatMul" and values:
                linear[layer] = [values[0].T]
            elif node.op_type == "Add" and values and layer in linear:
                linear[layer].append(values[0])
        own = [name for name in linear if name.endswith(PROJECTIONS)]
        self.projection = linear.pop(own[0]) if own else []
        self.projected = len(self.projection[0]) if own else 0
        written = {entry.key: entry.value for entry in model.metadata_props}
        matrix = pooling_matrix(written, self.projected, path) if own else None
        self.statistics_pooling = matrix is not None
        if matrix is not None:
            linear["output"] = [torch.from_numpy(matrix[:-1].T), torch.from_numpy(matrix[-1])]
        last = ("attention.0", "attention.2", "output")
        order = {name: 1 + last.index(x) for name in linear for x in last if name.endswith(x)}
        # The front's two, then attention and output: optimizers do not keep to an order.
        self.linear = [linear[name] for name in sorted(linear, key=lambda n: order.get(n, 0))]

    def _values(self, node: onnx.NodeProto) -> Iterator[Tensor]:
        """The inputs of `node` that are constants, as floats."""
        for name in node.input:
            maker = self._made_by.get(name)
            if name in self._constants:
                yield self._constants[name]
            elif maker is None or maker.op_type != "DequantizeLinear":
                continue
            elif maker.input[0] in self._constants:
                yield self._dequantized(maker)

    def _dequantized(self, node: onnx.NodeProto) -> Tensor:
        quantized, scale, zero = (self._constants[i].float() for i in node.input)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        shape = [-1 if a == axis and scale.ndim else 1 for a in range(quantized.ndim)]
        return (quantized - zero.reshape(shape)) * scale.reshape(shape)


def _as_linear(kernel: Tensor) -> Tensor:
    """The weight of the linear layer that was exported as a convolution over (1, bands)."""
    out: Tensor = kernel.squeeze(2).transpose(1, 2).flatten(1)
    return out
