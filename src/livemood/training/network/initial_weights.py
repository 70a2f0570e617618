"""Weights to start from: source models, and earlier models of livemood."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import BatchNorm2d, Conv2d

from livemood.errors import ModelError
from livemood.model.features import FeatureSettings
from livemood.model.manifest import MANIFEST
from livemood.model.pooling import pooling_matrix
from livemood.training.network.checkpoint import is_run, weights_of
from livemood.training.network.dcrnn import CausalHead, DcRnn, Front, Moments
from livemood.training.recipe.schema import NetworkPart


def load_source(network: DcRnn, part: NetworkPart, mels: int, sources: Path | None) -> None:
    """Give `network` the weights of the source that `part` names.

    A source is `NAME.safetensors` in the folder `sources`, or a folder NAME there that holds a
    livemood model or the whole run that made one. Raises `ModelError` if it is missing, is not the
    file that the recipe means, or does not fit.
    """
    if sources is None:
        raise ModelError(f"the recipe transfers from {part.source}: give --sources")
    if is_run(sources / str(part.source)):
        _load_run(network, part, sources / str(part.source))
        return
    earlier = sources / str(part.source) / "model.onnx"
    path = earlier if earlier.is_file() else sources / f"{part.source}.safetensors"
    if not path.is_file():
        raise ModelError(f"no source model at {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if part.source_sha256 not in (None, digest):
        raise ModelError(f"{path} is not the file the recipe names: its SHA-256 is {digest}")
    whole = Front(part.model_copy(update={"rank": 0, "width": 0}), mels)
    if path is not earlier:
        if part.source_head:
            raise ModelError(f"{part.source} has no head to transfer: leave source_head out")
        whole.load_byol_s(path)
        network.front.take(whole, _outputs(whole, None, part.step_width))
        return
    try:
        layers = _Layers(path)
        outputs = torch.arange(part.step_width)
        if _same_shape(network.front, layers):
            _load_front(network.front, layers)
        else:
            _load_front(whole, layers)
            outputs = _outputs(whole, layers.recurrent[0][0], part.step_width)
            network.front.take(whole, outputs)
        if part.source_head:
            _load_head(network.causal, layers, outputs)
    except (ValueError, RuntimeError, IndexError) as error:
        raise ModelError(f"{path} does not fit this network: {error}") from None


def _load_run(network: DcRnn, part: NetworkPart, folder: Path) -> None:
    """Go on where the run in `folder` ended: unlike its exported model, it has its batch norms.

    With its head come the recurrent layers and the attention of both ways of reading; the last
    layer comes only if it has as many labels.
    """
    if part.source_sha256 is not None:
        raise ModelError(f"{folder} is a run, which has no SHA-256 to be named by: leave it out")
    ours, weights = network.state_dict(), weights_of(folder)
    wanted = [n for n in weights if n.startswith("front.") or part.source_head]
    taken = {n: weights[n] for n in wanted if n in ours and not _other_labels(n, weights, ours)}
    needed = {
        n for n in ours if n.startswith(("front.", "causal.") if part.source_head else "front.")
    }
    last = {"causal.pooling.output.weight", "causal.pooling.output.bias"}
    if missing := needed - set(taken) - last:
        raise ModelError(f"{folder} does not fit this network: it has no {min(missing)}")
    try:
        network.load_state_dict({**ours, **taken})
    except RuntimeError as error:
        raise ModelError(f"{folder} does not fit this network: {error}") from None


def _other_labels(name: str, theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> bool:
    return ".pooling.output." in name and theirs[name].shape != ours[name].shape


def shape_of(folder: Path) -> NetworkPart:
    """The shape of the livemood model in `folder`. Raises `ModelError` if there is none."""
    path = folder / "model.onnx"
    if not path.is_file():
        raise ModelError(f"no run and no model at {folder}")
    layers = _Layers(path)
    try:
        first, second = layers.convolutions[0][0], layers.convolutions[1][0]
        return NetworkPart(
            channels=first.shape[0],
            rank=second.shape[0] if len(layers.convolutions) > 3 else 0,
            bands=first.shape[3],
            hidden=layers.linear[0][0].shape[0],
            width=layers.linear[1][0].shape[0],
            recurrent=layers.recurrent[1].shape[2],
            readout=0 if layers.moments else layers.read,
            moments=layers.read if layers.moments else 0,
        )
    except (IndexError, ValueError) as error:
        raise ModelError(f"{path} is not a livemood model of a shape known here: {error}") from None


def source_scale(part: NetworkPart, sources: Path | None) -> tuple[float, float] | None:
    """Mean and deviation of the features that an earlier livemood model was trained on."""
    if sources is None or part.source is None:
        return None
    folder = sources / part.source
    manifest = (folder / "float32" if is_run(folder) else folder) / MANIFEST
    if not manifest.is_file():
        return None
    # Only this part: manifests of earlier versions may lack others.
    features = FeatureSettings.model_validate(json.loads(manifest.read_bytes())["features"])
    return features.mean, features.deviation


def _outputs(front: Front, recurrent: Tensor | None, width: int) -> Tensor:
    """The `width` outputs of `front` that weigh most, by the weights that make and use them."""
    importance = front.linear.state_dict()["3.weight"].norm(dim=1)
    if recurrent is not None:
        importance = importance * recurrent.norm(dim=0)
    out: Tensor = importance.topk(width).indices.sort().values
    return out


def _same_shape(front: Front, layers: "_Layers") -> bool:
    """Whether the source is factored and cut as `front` is."""
    ours = [p.shape for n, p in front.named_parameters() if n.endswith("weight") and p.ndim > 1]
    theirs = [x[0].shape for x in (*layers.convolutions, *layers.linear[:2])]
    return ours == theirs


def _convolutions(front: Front) -> list[str]:
    return [name for name, module in front.named_modules() if isinstance(module, Conv2d)]


def _load_front(front: Front, layers: "_Layers") -> None:
    """Take the front of an earlier model.

    Export has folded the batch norms into the convolutions, so ours become the identity.
    """
    state = front.state_dict()
    names = [*_convolutions(front), "linear.0", "linear.3"]
    for name, found in zip(names, layers.convolutions + layers.linear[:2], strict=True):
        state[f"{name}.weight"] = found[0]
        if len(found) > 1:
            state[f"{name}.bias"] = found[1]
    for name, module in front.named_modules():
        if isinstance(module, BatchNorm2d):
            state[f"{name}.running_var"] = torch.full_like(module.weight, 1.0 - module.eps)
    front.load_state_dict(state)


def _load_head(head: CausalHead, layers: "_Layers", outputs: Tensor) -> None:
    """Take the recurrent layer and the pooling of an earlier model, reading `outputs` alone."""
    named = list(zip(_POOLING, layers.linear[2:], strict=True))
    if layers.readout:
        columns = torch.cat((torch.arange(head.units), head.units + outputs))
        place = "readout" if layers.moments else "readout.0"
        named.append((place, [layers.readout[0][:, columns], layers.readout[1]]))
    state = {
        f"{name}.{kind}": value
        for name, found in named
        for kind, value in zip(("weight", "bias"), found, strict=True)
    }
    weight, recurrent, bias = layers.recurrent
    # Gates are in the order update, reset, new in ONNX; reset, update, new in torch.
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    values = (weight[0][:, outputs], recurrent[0], *bias[0].chunk(2))
    for name, value in zip(names, values, strict=True):
        update, reset, new = value.chunk(3)
        state[f"recurrent.{name}"] = torch.cat((reset, update, new))
    if isinstance(head.pooling, Moments):  # export folded its norm, as those of the front
        norm = head.pooling.norm
        state |= {f"pooling.norm.{k}": v for k, v in norm.state_dict().items()}
        state["pooling.norm.running_var"] = torch.full_like(norm.weight, 1.0 - norm.eps)
    head.load_state_dict(state)


_POOLING: Final = ("pooling.attention.0", "pooling.attention.2", "pooling.output")


class _Layers:
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
        own = [name for name in linear if name.endswith(("readout", "readout.0"))]
        self.readout = linear.pop(own[0]) if own else []
        self.read = len(self.readout[0]) if own else 0
        written = {entry.key: entry.value for entry in model.metadata_props}
        matrix = pooling_matrix(written, self.read, path) if own else None
        self.moments = matrix is not None
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
