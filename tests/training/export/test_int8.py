"""Rows kept in 8 bits: another form of the same network, the same numbers."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from livemood.model.network import OnnxNetwork  # noqa: E402
from livemood.training.export import int8  # noqa: E402
from livemood.training.export.int8 import quantize_convolution_caches  # noqa: E402
from livemood.training.export.onnx import export_onnx  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.recipe.sections import NetworkSection  # noqa: E402

MELS = 64


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A small quantized network as the quantizer wrote it, and rewritten."""
    torch.manual_seed(2)
    network = DcRnn(NetworkSection(channels=8, hidden=16, recurrent=8, rank=4), MELS, 5).eval()
    folder = tmp_path_factory.mktemp("rows")
    before, after, source = (folder / f"{n}.onnx" for n in ("before", "after", "float"))
    export_onnx(network, MELS, source)
    windows = [w.numpy() for w in torch.randn(8, 150, MELS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "quantize_convolution_caches", lambda _: None)
        int8.quantize(source, before, windows)
    shutil.copy(before, after)
    quantize_convolution_caches(after)
    return OnnxNetwork(before, "cpu"), OnnxNetwork(after, "cpu")


def said(network, frames, cuts):
    """Votes, scores and state of a stream of `frames`, read in pieces of new steps."""
    kept, out, done = None, [], 0
    for steps in cuts:
        if kept is None:
            piece = frames[:, : 22 + 8 * (steps - 1)]
            inputs = network.fresh_state(1)
        else:  # its own 8 frames a step, and the 2 before that the first convolution sees
            piece = frames[:, 8 * done + 12 : 8 * (done + steps) + 14]
            inputs = dict(zip(("rows1", "rows2", "state"), kept, strict=True))
        got = network({"features": piece, **inputs})
        kept = [got[f"new_{name}"] for name in ("rows1", "rows2", "state")]
        done += steps
        out.append((got["votes"], got["scores"], got["new_state"]))
    return out


def test_what_is_kept_has_a_quarter_of_the_size(networks):
    before, after = (
        sum(np.empty(s.shape, s.dtype).nbytes for s in network.interface.states if "rows" in s.name)
        for network in networks
    )
    assert after * 4 == before


@pytest.mark.parametrize("cuts", [(3, 3, 3, 4), (10, 3, 3), (1, 1, 1, 7)])
def test_the_numbers_are_the_same_to_the_last_bit(networks, cuts):
    rng = np.random.default_rng(5)
    frames = rng.standard_normal((1, 8 * sum(cuts) + 14, MELS)).astype(np.float32)
    for one, other in zip(*(said(network, frames, cuts) for network in networks), strict=True):
        for left, right in zip(one, other, strict=True):
            assert np.array_equal(left, right)
