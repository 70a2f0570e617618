"""The streaming form of the encoder in ONNX, float32 and int8: one block of 240 ms a call."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime as ort
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
from torch import Tensor, nn
from torch.nn import functional

from livemood.errors import ModelError
from livemood.model.network.pooling import BASELINE, MOMENTS, encoded
from livemood.training.network.streaming_encoder import (
    BLOCK_FRAMES,
    BLOCK_STEPS,
    CONTEXT_FRAMES,
    PAST_BLOCKS,
    TURN_BLOCKS,
    VOTES,
    StreamingEncoderModel,
)
from livemood.training.network.whisper import Block

logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)

TOLERANCE = 1e-4
"""Largest difference from the whole computation in torch, both in float32."""
KEPT = PAST_BLOCKS * BLOCK_STEPS
"""Steps whose keys and values are kept."""
Feed = dict[str, NDArray[np.float32]]


class _Product(nn.Module):
    """A linear layer as one product of rows, which runs in 8 bits."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().T.contiguous())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


def _convolution(layer: nn.Conv1d) -> _Product:
    return _Product(layer.weight.transpose(1, 2).flatten(1), layer.bias)


class _StreamingBlock(nn.Module):
    """A block of Whisper with queries, keys and values by one product, their scale folded in."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        attn, self.heads = block.attn, block.attn.heads
        self.attn_ln, self.mlp_ln = block.attn_ln, block.mlp_ln
        scale = (attn.width // attn.heads) ** -0.5
        weights = (scale * attn.query.weight, attn.key.weight, attn.value.weight)
        biases = (scale * attn.query.bias, torch.zeros(attn.width), attn.value.bias)
        self.qkv = _Product(torch.cat(weights), torch.cat(biases))
        self.out = _Product(attn.out.weight, attn.out.bias)
        up, down = block.mlp[0], block.mlp[2]
        self.up, self.down = (_Product(p.weight, p.bias) for p in (up, down))  # type: ignore[arg-type]

    def forward(
        self, x: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, steps, width = x.shape
        qkv = self.qkv(self.attn_ln(x)).view(batch, steps, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        # Scores of kept and new keys are joined, not the keys: that spares copying what is kept.
        scores = torch.cat((q @ keys.transpose(2, 3) + mask, q @ k.transpose(2, 3)), 3).softmax(3)
        attended = scores[..., :KEPT] @ values + scores[..., KEPT:] @ v
        x = x + self.out(attended.transpose(1, 2).reshape(batch, steps, width))
        return x + self.down(functional.gelu(self.up(self.mlp_ln(x)))), k, v


class Streaming(nn.Module):
    """What is exported: the frames of one block and what is kept, to what its steps say."""

    def __init__(self, model: StreamingEncoderModel) -> None:
        super().__init__()
        stack, head = model.encoder.stack, model.head
        self.conv1, self.conv2 = _convolution(stack.conv1), _convolution(stack.conv2)
        self.blocks = nn.ModuleList(_StreamingBlock(b) for b in stack.blocks)  # type: ignore[arg-type]
        weight = head.project.weight * head.input_scale
        self.project = _Product(weight, head.project.bias - weight @ head.input_mean)
        self.score = _Product(head.score.weight, head.score.bias)
        self.speech = _Product(head.speech.weight, head.speech.bias)
        gru = head.gru.state_dict()
        self.given = _Product(gru["weight_ih_l0"], gru["bias_ih_l0"])
        self.state = _Product(gru["weight_hh_l0"], gru["bias_hh_l0"])
        self.units, self.mels = head.units, stack.mels
        self.heads, self.width = cast(Block, stack.blocks[0]).attn.heads, stack.width
        places = stack.positional_embedding[: TURN_BLOCKS * BLOCK_STEPS]
        self.places: Tensor
        self.register_buffer("places", places.view(TURN_BLOCKS, BLOCK_STEPS, -1).clone())

    @property
    def caches(self) -> list[str]:
        """Names of the keys and values that each block keeps."""
        return [f"{kind}{n}" for n in range(len(self.blocks)) for kind in ("keys", "values")]

    def forward(
        self, features: Tensor, age: Tensor, block: Tensor, state: Tensor, *kept: Tensor
    ) -> tuple[Tensor, ...]:
        """One block of each stream.

        `features` (batch, 27, mels), `age` (batch, kept) in blocks and 0 for none, `block`
        (batch,) of the stream, `state` (batch, units), kept keys and values (batch, heads, kept,
        width of one) of each block.

        Returns votes (steps, batch, width), scores and logits of no speech (steps, batch), the
        state to go on from, new keys and values.
        """
        x = torch.cat((features[:, :-2], features[:, 1:-1], features[:, 2:]), 2)
        x = functional.gelu(self.conv1(x))
        x = torch.cat((x[:, 0:-2:2], x[:, 1:-1:2], x[:, 2::2]), 2)
        place = torch.remainder(block, float(TURN_BLOCKS))
        x = functional.gelu(self.conv2(x)) + self.places[place.long()]
        # Positions begin again: what came before them is not looked at any more.
        mask = torch.where((age > 0) & (age <= place[:, None]), 0.0, -1e4)[:, None, None]
        new, found = [], []
        for layer, keys, values in zip(self.blocks, kept[::2], kept[1::2], strict=True):
            x, k, v = layer(x, mask, keys, values)
            new += [k, v]
            found.append(x)
        steps = torch.cat(found, 2).view(x.shape[0], VOTES, BLOCK_STEPS // VOTES, -1).mean(2)
        projected = self.project(steps)
        states, last = self._recur(projected, state)
        outputs = torch.cat((projected, states), 2)
        scores, no_speech = self.score(outputs)[..., 0].T, self.speech(outputs)[..., 0].T
        return outputs.transpose(0, 1), scores, no_speech, last, *new

    def _recur(self, projected: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The GRU as plain products: what exporters write for one has been wrong before."""
        given, out = self.given(projected), []
        for step in range(VOTES):
            r, z, n = given[:, step].chunk(3, 1)
            hr, hz, hn = self.state(state).chunk(3, 1)
            z = torch.sigmoid(z + hz)
            state = (1 - z) * torch.tanh(n + torch.sigmoid(r + hr) * hn) + z * state
            out.append(state)
        return torch.stack(out, 1), state

    def inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Inputs of zeros."""
        ring = (batch, self.heads, KEPT, self.width // self.heads)
        return (
            torch.zeros(batch, CONTEXT_FRAMES, self.mels),
            torch.zeros(batch, KEPT),
            torch.zeros(batch),
            torch.zeros(batch, self.units),
            *(torch.zeros(ring) for _ in self.caches),
        )


def export_streaming(model: StreamingEncoderModel, path: Path) -> float:
    """Write the streaming form of `model` to `path`; the largest difference from the whole.

    Raises `ModelError` if that exceeds the tolerance, at any of several lengths.
    """
    streaming = Streaming(model.eval()).eval()
    names = [
        "features",
        "age",
        "block",
        "state_recurrent",
        *(f"kept_{k}" for k in streaming.caches),
    ]
    outputs = ["votes", "scores", "not_speech", *(f"new_{name}" for name in names[3:])]
    axes = {name: {0: "batch"} for name in (*names, *outputs)}
    axes |= {name: {1: "batch"} for name in ("votes", "scores", "not_speech")}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            streaming,
            streaming.inputs(2),
            str(path),
            input_names=names,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    _write_sizes(path, streaming)
    head = model.head
    _write_properties(
        path,
        {
            MOMENTS: encoded(head.matrix().numpy()),
            BASELINE: encoded(head.speakers().numpy()),
        },
    )
    worst = max(_difference(model, path, blocks, first) for blocks, first in ((1, 0), (14, 120)))
    if not worst <= TOLERANCE:
        raise ModelError(f"the exported encoder differs from torch by {worst:.2g}")
    return worst


def quantize_streaming(source: Path, target: Path, calibration: Sequence[Feed]) -> None:
    """Write the float encoder `source` as static int8 (QDQ) to `target`.

    The products of stem and blocks run in 8 bits, with weights of 7; attention, pooling and the
    recurrence stay in float. Ranges are fixed, so that a stream reads the same beside others.
    `calibration` holds inputs of training speakers.
    """
    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    try:
        nodes = onnx.load(str(prepared)).graph.node
        parts = ("/conv1/", "/conv2/", "/qkv/", "/out/", "/up/", "/down/")
        apart = [n.name for n in nodes if not any(part in n.name for part in parts)]
        quantize_static(
            str(prepared),
            str(target),
            _Calibration(calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=apart,
            extra_options={
                "MatMulConstBOnly": True,
                "OpTypesToExcludeOutputQuantization": ["MatMul"],
            },
        )
    finally:
        prepared.unlink()
    told = {p.key: p.value for p in onnx.load(str(source)).metadata_props}
    _write_properties(target, told)


class StreamRunner:
    """Drives an exported encoder over whole clips, as the product does, for parity and ranges."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._outputs = [o.name for o in self._session.get_outputs()]

    def feeds(self, features: NDArray[np.float32], first: int = 0) -> Iterator[tuple[Feed, Feed]]:
        """What goes in and what comes out at each block of (batch, 24 n + 3 frames, mels)."""
        batch = len(features)
        shapes = {i.name: [batch, *i.shape[1:]] for i in self._session.get_inputs()}
        kept: Feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        for number in range((features.shape[1] - 3) // BLOCK_FRAMES):
            start = number * BLOCK_FRAMES
            kept["features"] = features[:, start : start + CONTEXT_FRAMES]
            kept["block"] = np.full(batch, first + number, np.float32)
            got = dict(zip(self._outputs, self._session.run(None, kept), strict=True))
            yield dict(kept), got
            kept = _next_state(kept, got, slice(number % PAST_BLOCKS * BLOCK_STEPS, None))

    def votes(self, features: NDArray[np.float32], first: int = 0) -> NDArray[np.float32]:
        """What all steps say, (batch, steps, width)."""
        found = [got["votes"].swapaxes(0, 1) for _, got in self.feeds(features, first)]
        return np.concatenate(found, 1)


def _next_state(kept: Feed, got: Feed, place: slice) -> Feed:
    """What the next block goes on from: rings with this block's keys and values in their place."""
    out, place = dict(kept), slice(place.start, place.start + BLOCK_STEPS)
    out["age"] = np.where(kept["age"] > 0, kept["age"] + 1, 0).astype(np.float32)
    out["age"][:, place] = 1
    for name in kept:
        if name.startswith("kept_"):
            out[name] = kept[name].copy()
            out[name][:, :, place] = got[f"new_{name}"]
        elif name.startswith("state_"):
            out[name] = got[f"new_{name}"]
    return out


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def _difference(model: StreamingEncoderModel, path: Path, blocks: int, first: int) -> float:
    """The largest difference of step outputs, alone and beside another stream."""
    generator = torch.Generator().manual_seed(blocks)
    mels = model.encoder.stack.mels
    features = torch.randn(2, BLOCK_FRAMES * blocks + 3, mels, generator=generator)
    with torch.no_grad():
        whole, _ = model.head.steps(model.encoder(features, first))
    got = StreamRunner(path).votes(features.numpy(), first)
    return float(np.abs(got - whole.numpy()).max())


def _write_sizes(path: Path, streaming: Streaming) -> None:
    """Write into the file the sizes of outputs that the exporter left open: all but the batch."""
    model = onnx.load(str(path))
    with torch.no_grad():
        got = streaming(*streaming.inputs(2))
    for value, tensor in zip(model.graph.output, got, strict=True):
        batch = 1 if value.name in ("votes", "scores", "not_speech") else 0
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if axis == batch:
                size.dim_param = "batch"
            else:
                size.dim_value = tensor.shape[axis]
    onnx.save(model, str(path))


def _write_properties(path: Path, told: Mapping[str, str]) -> None:
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(told))
    onnx.save(model, str(path))
