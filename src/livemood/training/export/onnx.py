"""From torch to the model file in ONNX, and how far the two agree."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from livemood.errors import ModelError
from livemood.model.features import Frames
from livemood.model.network import OnnxNetwork
from livemood.model.network.interface import FEATURES, SCORES, VOTES
from livemood.model.network.pooling import MOMENTS, encoded, weights_of
from livemood.training.export.streaming_module import INPUTS, OUTPUTS, Streaming
from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.heads import StatisticsPooling

TOLERANCE = 1e-4
"""Largest difference of a logit between torch and ONNX Runtime, both in float32."""


def export_onnx(network: DcRnn, mels: int, path: Path) -> float:
    """Write the streaming form of `network` to `path`; the largest difference from torch.

    Raises `ModelError` if it exceeds the tolerance at any of several lengths and batch sizes: an
    exporter once wrote recurrent layers that were wrong without a word.
    """
    streaming = Streaming(network).eval().float()
    axes = {name: {0: "batch"} for name in (*INPUTS, *OUTPUTS)}
    for name, place, size in (
        ("features", 1, "frames"),
        ("rows1", 2, "kept1"),
        ("rows2", 2, "kept2"),
    ):
        axes[name][place] = size
    axes |= {name: {1: "batch"} for name in ("state", "new_state")}
    axes |= {name: {0: "steps", 1: "batch"} for name in ("votes", "scores")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            streaming,
            _inputs(network, 2, 146, 2, mels),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    pooling = network.head.pooling
    if isinstance(pooling, StatisticsPooling):
        write_statistics_matrix(path, pooling.matrix().numpy())
    worst = _difference(streaming, OnnxNetwork(path, "cpu"), network, mels)
    if worst > TOLERANCE:
        raise ModelError(f"the exported network differs from torch by {worst:.2g}")
    return worst


def _difference(streaming: Streaming, exported: OnnxNetwork, network: DcRnn, mels: int) -> float:
    """The largest difference of any output, fresh and going on, alone and in batches."""
    torch.manual_seed(0)
    worst = 0.0
    for batch in (1, 2, 7):
        for steps in (1, 3, 35, 73):
            for rows in (0, 2):
                frames = network.context_frames + (steps - 1) * network.step_frames
                frames -= network.kept_frames if rows else 0
                inputs = _inputs(network, batch, frames, rows, mels)
                with torch.no_grad():
                    expected = streaming(*inputs)
                    read = None if rows else network.eval()(inputs[0])
                given = (i.numpy() for i in inputs)
                got = exported(dict(zip(INPUTS, given, strict=True)))
                pairs = [(got[n], e) for n, e in zip(OUTPUTS, expected, strict=True)]
                if read is not None:
                    pairs.append((_logits(exported, inputs[0].numpy()), read))
                worst = max(worst, *(float(np.abs(g - e.numpy()).max()) for g, e in pairs))
    return worst


def _logits(network: OnnxNetwork, windows: Frames) -> NDArray[np.float32]:
    """Logits (batch, labels) of whole windows (batch, frames, mels) that nothing precedes."""
    got = network({FEATURES: windows, **network.fresh_state(len(windows))})
    return network.read(network.pool(got[VOTES].swapaxes(0, 1), weights_of(got[SCORES].T)))


def _inputs(
    network: DcRnn, batch: int, frames: int, rows: int, mels: int
) -> tuple[torch.Tensor, ...]:
    """Random inputs of the streaming form."""
    state = torch.tanh(torch.randn(1, batch, network.head.width))
    rows1 = torch.rand(batch, network.section.channels, rows, mels // 2)
    rows2 = torch.rand(batch, network.section.channels, rows, mels // 4)
    return torch.randn(batch, frames, mels), rows1, rows2, state


def write_statistics_matrix(path: Path, matrix: NDArray[np.float32]) -> None:
    """Write into the network at `path` what makes logits of mean and deviation of its steps."""
    model = onnx.load(str(path))
    kept = {prop.key: prop.value for prop in model.metadata_props}
    onnx.helper.set_model_props(model, kept | {MOMENTS: encoded(matrix)})
    onnx.save(model, str(path))
