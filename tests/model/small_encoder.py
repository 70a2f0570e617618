"""A small streaming encoder with random weights: the shape of the real one, made in a second."""

import hashlib
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from livemood.model.features import WHISPER, FeatureSettings
from livemood.model.level import LevelSettings
from livemood.model.manifest import (
    BaselineSettings,
    Manifest,
    NotSpeech,
    read_manifest,
    write_manifest,
)
from livemood.model.pooling import BASELINE, MOMENTS, encoded
from livemood.model.registry import find_model

STEPS, BLOCK, FRAMES = 3, 12, 27


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.attn_ln, self.mlp_ln = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x, keys, values, mask):
        """`keys` and `values` come before those of `x`; `mask` is added to the scores."""
        y = self.attn_ln(x)
        new_keys, new_values = self.key(y), self.value(y)
        keys, values = torch.cat((keys, new_keys), 1), torch.cat((values, new_values), 1)
        q, k, v = (self._split(z) for z in (self.query(y), keys, values))
        scores = q @ k.transpose(2, 3) * (q.shape[-1] ** -0.5) + mask
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_ln(x)), new_keys, new_values

    def _split(self, x):
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self, width=32, heads=4, blocks=2, kept=36, units=16, pooled=12, mels=80):
        super().__init__()
        self.kept, self.width, self.units, self.pooled = kept, width, units, pooled
        self.conv1 = nn.Conv1d(mels, width, 3)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2)
        self.position = nn.Parameter(0.1 * torch.randn(BLOCK, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.recurrent = nn.GRU(width, units)
        self.project = nn.Linear(units + width, pooled)
        self.attention, self.no_speech = nn.Linear(pooled, 1), nn.Linear(pooled, 1)
        with torch.no_grad():  # as they are drawn, random blocks hardly change what they are given
            for layer in self.blocks:
                for part in (layer.query, layer.key, layer.value, layer.out):
                    part.weight *= 3

    def stem(self, features):
        x = functional.gelu(self.conv1(features.transpose(1, 2)))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        return x + self.position.repeat(x.shape[1] // BLOCK, 1)

    def head(self, x, state):
        steps = x.unflatten(1, (-1, BLOCK // STEPS)).mean(2).transpose(0, 1)
        states, last = self.recurrent(steps, state.unsqueeze(0))
        votes = self.project(torch.cat((states, steps), 2))
        return votes, self.attention(votes)[..., 0], self.no_speech(votes)[..., 0], last[0]

    def forward(self, features, age, state, *kept):
        x, new = self.stem(features), []
        mask = torch.where(age > 0, 0.0, -1e4)
        mask = torch.cat((mask, torch.zeros_like(age[:, :BLOCK])), 1)[:, None, None]
        for block, keys, values in zip(self.blocks, kept[::2], kept[1::2], strict=True):
            x, *more = block(x, keys, values, mask)
            new += more
        votes, scores, no_speech, last = self.head(x, state)
        return votes, scores, no_speech, last, *new

    @torch.no_grad()
    def whole(self, features):
        """What all steps of `features` (batch, frames, mels) say, computed at once."""
        x = self.stem(features)
        block = torch.arange(x.shape[1]) // BLOCK
        since = block[:, None] - block
        seen = (since >= 0) & (since <= self.kept // BLOCK)
        mask = torch.where(seen, 0.0, -1e4)
        for layer in self.blocks:
            nothing = x[:, :0]
            x, *_ = layer(x, nothing, nothing, mask)
        return self.head(x, torch.zeros(len(x), self.units))[:3]

    def matrix(self, labels):
        return np.random.default_rng(7).normal(0, 1, (2 * self.pooled + 1, labels)).astype("f4")


def export(encoder, path, labels, statistics=None):
    """Write the streaming form of `encoder` to `path`, with random weights that pool its steps."""
    import onnx

    kept = [f"kept_{kind}{n}" for n in range(len(encoder.blocks)) for kind in ("keys", "values")]
    names = ["features", "age", "state_recurrent", *kept]
    outputs = ["votes", "scores", "not_speech", "new_state_recurrent", *(f"new_{k}" for k in kept)]
    axes = {name: {0: "batch"} for name in (*names, *outputs)}
    axes |= {name: {1: "batch"} for name in ("votes", "scores", "not_speech")}
    ring = torch.randn(2, encoder.kept, encoder.width)
    features = torch.randn(2, FRAMES, encoder.conv1.in_channels)
    inputs = (features, torch.ones(2, encoder.kept), torch.zeros(2, encoder.units))
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
    if statistics is None:
        statistics = np.stack((np.zeros(2 * encoder.pooled), np.ones(2 * encoder.pooled)))
    written = {MOMENTS: encoded(encoder.matrix(labels)), BASELINE: encoded(statistics)}
    onnx.helper.set_model_props(model, written)
    onnx.save(model, str(path))


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
