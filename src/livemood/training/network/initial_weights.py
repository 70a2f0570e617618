"""Weights that a DC-RNN begins with: those of BYOL-S, of an earlier livemood model or of a run."""

import hashlib
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import BatchNorm2d, Conv2d

from livemood.errors import ModelError
from livemood.training.network.checkpoint import is_run, weights_of
from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.encoder import ConvolutionalEncoder
from livemood.training.network.heads import CausalHead, StatisticsPooling
from livemood.training.network.onnx_layers import OnnxLayers
from livemood.training.recipe.sections import NetworkSection


def load_initial_weights(network: DcRnn, mels: int, encoders: Path | None) -> None:
    """Give `network` the pretrained weights that its section of the recipe names.

    They are in `NAME.safetensors` in the folder `encoders`, or in a folder NAME there that holds a
    livemood model or the whole run that made one. Raises `ModelError` if they are missing, are not
    in the file that the recipe means, or do not fit.
    """
    section = network.section
    if encoders is None:
        raise ModelError(
            f"the recipe begins with {section.pretrained}: give its folder with --encoders"
        )
    if is_run(encoders / str(section.pretrained)):
        _load_run(network, section, encoders / str(section.pretrained))
        return
    earlier = encoders / str(section.pretrained) / "model.onnx"
    path = earlier if earlier.is_file() else encoders / f"{section.pretrained}.safetensors"
    if not path.is_file():
        raise ModelError(f"no pretrained encoder at {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if section.pretrained_sha256 not in (None, digest):
        raise ModelError(f"{path} is not the file the recipe names: its SHA-256 is {digest}")
    whole = ConvolutionalEncoder(section.model_copy(update={"rank": 0, "width": 0}), mels)
    if path is not earlier:
        if section.pretrained_head:
            raise ModelError(f"{section.pretrained} has no head: leave pretrained_head out")
        whole.load_byol_s(path)
        network.encoder.take(whole, _outputs(whole, None, section.step_width))
        return
    try:
        layers = OnnxLayers(path)
        outputs = torch.arange(section.step_width)
        if _same_shape(network.encoder, layers):
            _load_encoder(network.encoder, layers)
        else:
            _load_encoder(whole, layers)
            outputs = _outputs(whole, layers.recurrent[0][0], section.step_width)
            network.encoder.take(whole, outputs)
        if section.pretrained_head:
            _load_head(network.head, layers, outputs)
    except (ValueError, RuntimeError, IndexError) as error:
        raise ModelError(f"{path} does not fit this network: {error}") from None


def _load_run(network: DcRnn, section: NetworkSection, folder: Path) -> None:
    """Go on where the run in `folder` ended: unlike its exported model, it has its batch norms.

    With its head come the recurrent layers and the attention of both ways of reading; the last
    layer comes only if it has as many labels.
    """
    if section.pretrained_sha256 is not None:
        raise ModelError(f"{folder} is a run, which has no SHA-256 to be named by: leave it out")
    ours, weights = network.state_dict(), weights_of(folder)
    wanted = [n for n in weights if n.startswith("encoder.") or section.pretrained_head]
    taken = {n: weights[n] for n in wanted if n in ours and not _other_labels(n, weights, ours)}
    parts = ("encoder.", "head.") if section.pretrained_head else ("encoder.",)
    needed = {name for name in ours if name.startswith(parts)}
    last = {"head.pooling.output.weight", "head.pooling.output.bias"}
    if missing := needed - set(taken) - last:
        raise ModelError(f"{folder} does not fit this network: it has no {min(missing)}")
    try:
        network.load_state_dict({**ours, **taken})
    except RuntimeError as error:
        raise ModelError(f"{folder} does not fit this network: {error}") from None


def _other_labels(name: str, theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> bool:
    return ".pooling.output." in name and theirs[name].shape != ours[name].shape


def network_shape(folder: Path) -> NetworkSection:
    """The shape of the livemood model in `folder`. Raises `ModelError` if there is none."""
    path = folder / "model.onnx"
    if not path.is_file():
        raise ModelError(f"no run and no model at {folder}")
    layers = OnnxLayers(path)
    try:
        first, second = layers.convolutions[0][0], layers.convolutions[1][0]
        return NetworkSection(
            channels=first.shape[0],
            rank=second.shape[0] if len(layers.convolutions) > 3 else 0,
            kernel_bands=first.shape[3],
            hidden=layers.linear[0][0].shape[0],
            width=layers.linear[1][0].shape[0],
            recurrent=layers.recurrent[1].shape[2],
            step_projection=0 if layers.statistics_pooling else layers.projected,
            statistics_pooling=layers.projected if layers.statistics_pooling else 0,
        )
    except (IndexError, ValueError) as error:
        raise ModelError(f"{path} is not a livemood model of a shape known here: {error}") from None


def _outputs(encoder: ConvolutionalEncoder, recurrent: Tensor | None, width: int) -> Tensor:
    """The `width` outputs of `encoder` that weigh most, by the weights that make and use them."""
    importance = encoder.linear.state_dict()["3.weight"].norm(dim=1)
    if recurrent is not None:
        importance = importance * recurrent.norm(dim=0)
    out: Tensor = importance.topk(width).indices.sort().values
    return out


def _same_shape(encoder: ConvolutionalEncoder, layers: OnnxLayers) -> bool:
    """Whether the earlier model is factored and cut as `encoder` is."""
    ours = [p.shape for n, p in encoder.named_parameters() if n.endswith("weight") and p.ndim > 1]
    theirs = [x[0].shape for x in (*layers.convolutions, *layers.linear[:2])]
    return ours == theirs


def _convolutions(encoder: ConvolutionalEncoder) -> list[str]:
    return [name for name, module in encoder.named_modules() if isinstance(module, Conv2d)]


def _load_encoder(encoder: ConvolutionalEncoder, layers: OnnxLayers) -> None:
    """Take the encoder of an earlier model.

    Export has folded the batch norms into the convolutions, so ours become the identity.
    """
    state = encoder.state_dict()
    names = [*_convolutions(encoder), "linear.0", "linear.3"]
    for name, found in zip(names, layers.convolutions + layers.linear[:2], strict=True):
        state[f"{name}.weight"] = found[0]
        if len(found) > 1:
            state[f"{name}.bias"] = found[1]
    for name, module in encoder.named_modules():
        if isinstance(module, BatchNorm2d):
            state[f"{name}.running_var"] = torch.full_like(module.weight, 1.0 - module.eps)
    encoder.load_state_dict(state)


def _load_head(head: CausalHead, layers: OnnxLayers, outputs: Tensor) -> None:
    """Take the recurrent layer and the pooling of an earlier model, reading `outputs` alone."""
    named = list(zip(_POOLING, layers.linear[2:], strict=True))
    if layers.projection:
        columns = torch.cat((torch.arange(head.units), head.units + outputs))
        place = "step_projection" if layers.statistics_pooling else "step_projection.0"
        named.append((place, [layers.projection[0][:, columns], layers.projection[1]]))
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
    if isinstance(head.pooling, StatisticsPooling):
        # Export folded its norm, as those of the encoder.
        norm = head.pooling.norm
        state |= {f"pooling.norm.{k}": v for k, v in norm.state_dict().items()}
        state["pooling.norm.running_var"] = torch.full_like(norm.weight, 1.0 - norm.eps)
    head.load_state_dict(state)


_POOLING: Final = ("pooling.attention.0", "pooling.attention.2", "pooling.output")
