"""Weights to start from: source models, and earlier models of livemood."""

import hashlib
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch.nn import BatchNorm2d, Conv2d

from livemood.errors import ModelError
from livemood.model.manifest import MANIFEST, Manifest
from livemood.training.network import Front
from livemood.training.recipe import NetworkPart


def load_source(front: Front, part: NetworkPart, sources: Path | None) -> None:
    """Give `front` the weights of the source that `part` names.

    A source is `NAME.safetensors` in the folder `sources`, or a folder NAME there that holds a
    livemood model. Raises `ModelError` if it is missing, is not the file that the recipe means,
    or does not fit.
    """
    if sources is None:
        raise ModelError(f"the recipe transfers from {part.source}: give --sources")
    earlier = sources / str(part.source) / "model.onnx"
    path = earlier if earlier.is_file() else sources / f"{part.source}.safetensors"
    if not path.is_file():
        raise ModelError(f"no source model at {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if part.source_sha256 not in (None, digest):
        raise ModelError(f"{path} is not the file the recipe names: its SHA-256 is {digest}")
    if path is earlier:
        _load_livemood(front, path)
    else:
        front.load_byol_s(path)


def source_scale(part: NetworkPart, sources: Path | None) -> tuple[float, float] | None:
    """Mean and deviation of the features that an earlier livemood model was trained on."""
    manifest = sources / str(part.source) / MANIFEST if sources and part.source else None
    if manifest is None or not manifest.is_file():
        return None
    features = Manifest.model_validate_json(manifest.read_bytes()).features
    return features.mean, features.deviation


def _load_livemood(front: Front, path: Path) -> None:
    """Take the front of an earlier model, float or int8, from its ONNX file.

    Export has folded the batch norms into the convolutions, so ours become the identity.
    """
    convolutions, linear = _weights(onnx.load(str(path)).graph)
    state = front.state_dict()
    names = [n for n, m in front.named_modules() if isinstance(m, Conv2d)] + [
        "linear.0",
        "linear.3",
    ]
    try:
        for name, (weight, bias) in zip(names, convolutions + linear, strict=True):
            state[f"{name}.weight"], state[f"{name}.bias"] = weight, bias
        for name, module in front.named_modules():
            if isinstance(module, BatchNorm2d):
                state[f"{name}.running_var"] = torch.full_like(module.weight, 1.0 - module.eps)
        front.load_state_dict(state)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold a front for this network: {error}") from None


def _weights(graph: onnx.GraphProto) -> tuple[list[list[torch.Tensor]], list[list[torch.Tensor]]]:
    """Weight and bias of the three convolutions and of the two linear layers of a front."""
    constants = {i.name: torch.tensor(numpy_helper.to_array(i)) for i in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}

    def value(name: str) -> torch.Tensor | None:
        node = made_by.get(name)
        if node is None:
            return constants.get(name)
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            return None
        quantized, scale, zero = (constants[i].float() for i in node.input)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        shape = [-1 if a == axis and scale.ndim else 1 for a in range(quantized.ndim)]
        return (quantized - zero.reshape(shape)) * scale.reshape(shape)

    convolutions: list[list[torch.Tensor]] = []
    linear: list[list[torch.Tensor]] = []
    for node in graph.node:
        values = [v for v in map(value, node.input) if v is not None]
        if node.op_type == "Conv":
            convolutions.append(values)
        elif node.op_type == "MatMul" and values and len(linear) < 2:
            linear.append([values[0].T])
        elif node.op_type == "Add" and values and linear and len(linear[-1]) == 1:
            linear[-1].append(values[0])
    return convolutions, linear
