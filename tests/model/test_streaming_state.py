"""What is computed for new steps alone reads as if everything had been computed at once."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio import Span
from livemood.errors import ModelError
from livemood.model.manifest import read_manifest, write_manifest
from livemood.model.model import Model, load_model
from livemood.model.network import LARGEST_BATCH, MOMENTS, OnnxNetwork, pooled
from livemood.model.registry import find_model
from livemood.model.streaming_state import InferenceRequest, StreamingState

TOLERANCE = 1e-4
SAMPLES = 16000 * 7


@pytest.fixture(scope="module", params=["default", "moments"])
def folder(request, tmp_path_factory):
    """Of the shipped model, whose steps vote, and of one whose steps' moments are pooled."""
    shipped = find_model("default")
    if request.param == "default":
        return shipped
    torch = pytest.importorskip("torch", reason="needs the extra train")
    from livemood.training.export.onnx import export_onnx
    from livemood.training.network.dcrnn import DcRnn
    from livemood.training.recipe.schema import NetworkSection

    torch.manual_seed(1)
    part = NetworkSection(channels=8, hidden=16, recurrent=8, statistics_pooling=12)
    network = DcRnn(part, 64, 7).train()
    with torch.no_grad():
        network(torch.randn(16, 98, 64))
        network.head.pooling.output.weight *= 3
    out = tmp_path_factory.mktemp("moments")
    export_onnx(network.eval(), 64, out / "model.onnx")
    digest = hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest()
    changes = {"sha256": digest, "precision": "float32", "name": "moments"}
    write_manifest(read_manifest(shipped).model_copy(update=changes), out)
    return out


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder, "cpu")


@pytest.fixture(scope="module")
def sound():
    return np.random.default_rng(3).normal(0, 0.05, SAMPLES).astype(np.float32)


def hop(model, kept, sound, first, end):
    """What reads the window of the steps from `first` to `end`."""
    start = kept.turn_to(first, end)
    if start == end:
        return InferenceRequest(kept, sound[:0])
    span = model.sound_of(Span(start, end), fresh=kept.fresh)
    return InferenceRequest(kept, sound[span.start : span.end])


def read(model, kept, sound, first, end):
    """Probabilities of the window of the steps from `first` to `end`."""
    return model.read([hop(model, kept, sound, first, end)])[0]


def in_one_go(model, sound, first, end):
    """The same with all of the window's steps, and those before it, computed in two goes."""
    kept = model.new_kept()
    if first:
        read(model, kept, sound, 0, first)
    return read(model, kept, sound, first, end)


def small_kept():
    return StreamingState(said=3, slots=10, units=4, frames=(2, 5), rows=())


@settings(max_examples=30, deadline=None)
@given(hops=st.lists(st.integers(1, 9), min_size=1, max_size=14))
def test_hops_of_any_length_read_as_all_steps_at_once(model, sound, hops):
    kept, end = model.new_kept(), 0
    for steps in hops:
        end = min(end + steps, 80)
        first = max(0, end - 35)
        got = read(model, kept, sound, first, end)
        expected = in_one_go(model, sound, first, end)
        assert np.abs(got - expected).max() < TOLERANCE
        assert got.argmax() == expected.argmax()


def test_a_window_from_the_beginning_reads_as_a_clip(model, sound):
    kept = model.new_kept()
    for end in (11, 14, 17, 33):
        got = read(model, kept, sound, 0, end)
        clip = model.front_end(sound[: model.sound_of(Span(0, end)).end])
        assert np.abs(got - model.classify([clip])[0]).max() < TOLERANCE


def test_each_frame_is_computed_once(model):
    fresh = model.sound_of(Span(0, 3))
    further = model.sound_of(Span(3, 6), fresh=False)
    assert (fresh.start, fresh.end) == (0, 37 * 160 + 400)
    assert (further.start, further.end) == (38 * 160, 61 * 160 + 400), "24 frames for 3 steps"


def test_a_window_without_new_steps_reads_as_the_one_before(model, sound):
    kept = model.new_kept()
    before = read(model, kept, sound, 0, 12)
    assert kept.turn_to(0, 12) == 12
    assert (model.read([InferenceRequest(kept, sound[:0])])[0] == before).all()


@pytest.mark.parametrize("provider", LARGEST_BATCH)
def test_hops_read_together_as_alone(folder, model, sound, provider):
    """Batches as large as on each provider; no GPU is needed, all of them run on the CPU."""
    path, most = folder / "model.onnx", LARGEST_BATCH[provider]
    wide = Model(model.manifest, OnnxNetwork(path, "cpu", largest_batch=most))
    rng = np.random.default_rng(4)
    ends = rng.choice([12, 20, 38], round(1.5 * most))
    together = [model.new_kept() for _ in ends]
    alone = [model.new_kept() for _ in ends]
    for number in range(3):
        hops = []
        for kept, end in zip(together, ends, strict=True):
            hops.append(hop(model, kept, sound, 0, int(end) + 3 * number))
        rows = wide.read(hops)
        for kept, end, row in zip(alone, ends, rows, strict=True):
            expected = read(model, kept, sound, 0, int(end) + 3 * number)
            assert np.abs(row - expected).max() < TOLERANCE


def test_a_jump_begins_afresh():
    kept = small_kept()
    assert kept.turn_to(0, 3) == 0
    kept.push(np.ones((3, 3), np.float32), np.ones(3, np.float32))
    kept.state[:] = 1
    assert not kept.fresh
    assert kept.turn_to(1, 5) == 3
    assert (kept.weights > 0).sum() == 2, "the step that left the window is left out"
    assert kept.turn_to(9, 12) == 9, "steps in between are missing"
    assert kept.fresh
    assert not kept.state.any()
    assert not kept.weights.any()


def test_forgetting_begins_afresh():
    kept = small_kept()
    kept.turn_to(0, 3)
    kept.push(np.ones((3, 3), np.float32), np.ones(3, np.float32))
    kept.state[:] = 1
    kept.forget()
    assert kept.turn_to(3, 6) == 3
    assert kept.fresh
    assert not kept.state.any()


def test_what_pools_is_checked_when_the_file_is_read(folder, model, tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs the extra train")
    network = OnnxNetwork(folder / "model.onnx", "cpu")
    assert network.labels == 7
    for text in ("AAAA", "no base64!"):
        whole = onnx.load(str(folder / "model.onnx"))
        onnx.helper.set_model_props(whole, {MOMENTS: text})
        onnx.save(whole, str(tmp_path / "model.onnx"))
        with pytest.raises(ModelError, match="what pools its steps does not fit"):
            OnnxNetwork(tmp_path / "model.onnx", "cpu")


def test_moments_are_mean_and_deviation_under_the_weights():
    rng = np.random.default_rng(5)
    said, weights = rng.normal(3, 2, (2, 9, 4)), rng.uniform(0, 1, (2, 9))
    moments = rng.normal(0, 1, (9, 3))
    given = (x.astype(np.float32) for x in (said, weights, moments))
    got = pooled(*given)
    for row in range(2):
        mean = np.average(said[row], axis=0, weights=weights[row])
        deviation = np.sqrt(np.average((said[row] - mean) ** 2, axis=0, weights=weights[row]))
        expected = np.concatenate((mean, deviation)) @ moments[:-1] + moments[-1]
        assert np.abs(got[row] - expected).max() < 1e-4
