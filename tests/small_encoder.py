"""A small streaming encoder with random weights: the shape of the real one, made in a second."""

import hashlib
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from livemood.model.features import WHISPER, FeatureSettings
from livemood.model.features.level import LevelSettings
from livemood.model.manifest import (
    BaselineSettings,
    Manifest,
    NotSpeech,
    read_manifest,
    write_manifest,
)
from livemood.model.network.pooling import BASELINE, MOMENTS, encoded
from livemood.model.registry import find_model

STEPS, BLOCK, FRAMES = 3, 12, 27
POSITIONS = 125 * BLOCK
"""Steps after which positions begin again: 30 s."""


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.width = heads, width
        self.attn_ln, self.mlp_ln = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        middle = 4 * width
        self.mlp = nn.Sequential(nn.Linear(width, middle), nn.GELU(), nn.Linear(middle, width))

    def forward(self, x, keys, values, mask):
        """`keys` and `values`, (batch, heads, entries, width of one), come before those of `x`.

        `mask` is added to the scores of those. Scores of both are joined, not the keys: that
        spares copying what is kept.
        """
        queries, new_keys, new_values = self.projected(self.attn_ln(x))
        scores = torch.cat(
            (queries @ keys.transpose(2, 3) + mask, queries @ new_keys.transpose(2, 3)), 3
        ).softmax(3)
        kept = keys.shape[2]
        heard = scores[..., :kept] @ values + scores[..., kept:] @ new_values
        x = x + self.out(heard.transpose(1, 2).reshape(-1, x.shape[1], self.width))
        return x + self.mlp(self.mlp_ln(x)), new_keys, new_values

    def projected(self, x):
        """Queries, keys and values, each (batch, heads, steps, width of one), by one product."""
        scale = (self.width // self.heads) ** -0.5
        weight = torch.cat((scale * self.query.weight, self.key.weight, self.value.weight)).T
        nothing = torch.zeros_like(self.query.bias)
        bias = torch.cat((scale * self.query.bias, nothing, self.value.bias))
        each = (x @ weight + bias).reshape(-1, x.shape[1], 3, self.heads, self.width // self.heads)
        return each.permute(2, 0, 3, 1, 4).unbind(0)


class Encoder(nn.Module):
    def __init__(self, width=32, heads=4, blocks=2, kept=36, units=16, pooled=12, mels=80):
        super().__init__()
        self.kept, self.width, self.units, self.pooled = kept, width, units, pooled
        self.conv1 = nn.Conv1d(mels, width, 3)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2)
        self.position = nn.Parameter(torch.randn(POSITIONS, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.recurrent = nn.GRU(width, units)
        self.project = nn.Linear(units + width, pooled)
        self.attention, self.no_speech = nn.Linear(pooled, 1), nn.Linear(pooled, 1)
        with torch.no_grad():  # as they are drawn, random blocks hardly change what they are given
            for layer in self.blocks:
                for part in (layer.query, layer.key, layer.value, layer.out):
                    part.weight *= 3

    def stem(self, features):
        """The two convolutions as products: those keep frames in rows, and run in 8 bits."""
        x = functional.gelu(_product(self.conv1, features))
        return functional.gelu(_product(self.conv2, x))

    def head(self, x, state):
        steps = x.reshape(-1, x.shape[1] // 4, 4, self.width).mean(2).transpose(0, 1)
        states, last = self.recurrent(steps, state.unsqueeze(0))
        votes = self.project(torch.cat((states, steps), 2))
        return votes, self.attention(votes)[..., 0], self.no_speech(votes)[..., 0], last[0]

    def forward(self, features, age, block, state, *kept):
        place = torch.remainder(block, POSITIONS // BLOCK)
        position = self.position.reshape(-1, BLOCK * self.width)[place.long()]
        x = self.stem(features) + position.reshape(-1, BLOCK, self.width)
        new = []
        # Positions begin again: what came before them is not looked at any more.
        mask = torch.where((age > 0) & (age <= place[:, None]), 0.0, -1e4)[:, None, None]
        for block, keys, values in zip(self.blocks, kept[::2], kept[1::2], strict=True):
            x, *more = block(x, keys, values, mask)
            new += more
        votes, scores, no_speech, last = self.head(x, state)
        return votes, scores, no_speech, last, *new

    @torch.no_grad()
    def whole(self, features, first=0):
        """What all steps of `features` (batch, frames, mels) say, computed at once.

        `first` is the number of the first block in the stream.
        """
        x = functional.gelu(self.conv1(features.transpose(1, 2)))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        step = torch.arange(x.shape[1]) + first * BLOCK
        x = x + self.position[step % POSITIONS]
        block, turn = step // BLOCK, step // POSITIONS
        since = block[:, None] - block
        seen = (since >= 0) & (since <= self.kept // BLOCK) & (turn[:, None] == turn)
        unseen = torch.where(seen, 0.0, -1e4)
        for layer in self.blocks:
            q, k, v = layer.projected(layer.attn_ln(x))
            heard = (q @ k.transpose(2, 3) + unseen).softmax(3) @ v
            x = x + layer.out(heard.transpose(1, 2).flatten(2))
            x = x + layer.mlp(layer.mlp_ln(x))
        return self.head(x, torch.zeros(len(x), self.units))[:3]

    def matrix(self, labels):
        return np.random.default_rng(7).normal(0, 1, (2 * self.pooled + 1, labels)).astype("f4")


def _product(convolution, x):
    """What `convolution` gives of x (batch, frames, width), in rows, too."""
    stride, count = convolution.stride[0], (x.shape[1] - 3) // convolution.stride[0] + 1
    last = stride * (count - 1) + 1
    seen = torch.cat([x[:, at : at + last : stride] for at in range(3)], 2)
    return seen @ convolution.weight.permute(2, 1, 0).flatten(0, 1) + convolution.bias


def export(encoder, path, labels, statistics=None):
    """Write the streaming form of `encoder` to `path`, with random weights that pool its steps."""
    import onnx

    kept = [f"kept_{kind}{n}" for n in range(len(encoder.blocks)) for kind in ("keys", "values")]
    names = ["features", "age", "block", "state_recurrent", *kept]
    outputs = ["votes", "scores", "not_speech", "new_state_recurrent", *(f"new_{k}" for k in kept)]
    axes = {name: {0: "batch"} for name in (*names, *outputs)}
    axes |= {name: {1: "batch"} for name in ("votes", "scores", "not_speech")}
    heads = encoder.blocks[0].heads
    ring = torch.randn(2, heads, encoder.kept, encoder.width // heads)
    features = torch.randn(2, FRAMES, encoder.conv1.in_channels)
    inputs = (features, torch.ones(2, encoder.kept), torch.ones(2), torch.zeros(2, encoder.units))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder.eval(),
            (*inputs, *[ring] * len(kept)),
            str(path),
            input_names=names,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load(str(path))
    _fix_shapes(model, features.shape[2])
    if statistics is None:
        statistics = np.stack((np.zeros(2 * encoder.pooled), np.ones(2 * encoder.pooled)))
    written = {MOMENTS: encoded(encoder.matrix(labels)), BASELINE: encoded(statistics)}
    onnx.helper.set_model_props(model, written)
    onnx.save(model, str(path))


def _fix_shapes(model, mels):
    """Write into `model` the sizes that the exporter left open: all but the batch."""
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {i.name: [5 if d == "batch" else d for d in i.shape] for i in session.get_inputs()}
    got = session.run(None, {name: np.ones(shape, "f4") for name, shape in given.items()})
    for value, array in zip(model.graph.output, got, strict=True):
        for dimension, size in zip(value.type.tensor_type.shape.dim, array.shape, strict=True):
            if size == 5:
                dimension.dim_param = "batch"
            else:
                dimension.dim_value = size


def manifest_of(path, name="small-encoder"):
    """A manifest for the encoder at `path`, but for what it takes over from the shipped model."""
    shipped = read_manifest(find_model("default")).model_dump(by_alias=True)
    features = FeatureSettings(**WHISPER, mean=-5.0, deviation=4.0, level=LevelSettings())
    changes = {
        "name": name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "precision": "float32",
        "features": features,
        "network": {
            "kind": "streaming-encoder",
            "step_frames": 8,
            "context_frames": FRAMES,
            "kept_frames": 0,
            "block_steps": STEPS,
            "lead_samples": 720,
        },
        "hop_s": 0.24,
        "baseline": BaselineSettings(),
        "not_speech": NotSpeech(),
        "temperature": 1.0,
    }
    return Manifest.model_validate(shipped | changes)


def make(folder, encoder=None, statistics=None):
    """A model folder with a small encoder; the encoder."""
    torch.manual_seed(3)
    encoder = encoder or Encoder()
    export(encoder, folder / "model.onnx", 7, statistics)
    write_manifest(manifest_of(folder / "model.onnx"), folder)
    return encoder
