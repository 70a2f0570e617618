"""What is computed for new steps alone reads as if everything had been computed at once."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio import Overrun, Span
from livemood.errors import ModelError
from livemood.model.manifest import read_manifest, write_manifest
from livemood.model.model import Model
from livemood.model.network import LARGEST_BATCH, OnnxNetwork
from livemood.model.network.interface import Interface, StateTensor
from livemood.model.network.pooling import BASELINE, MOMENTS, logits_of, statistics
from livemood.model.registry import find_model, load_model
from livemood.model.streaming.streaming_state import StreamingState

TOLERANCE = 1e-4
SAMPLES = 16000 * 7


@pytest.fixture(scope="module", params=["small", "default", "statistics", "encoder"])
def folder(request, tmp_path_factory):
    """Of the shipped models, of one whose steps' statistics are pooled, of a small encoder."""
    shipped = find_model("small")
    if request.param in ("small", "default"):
        return find_model(request.param)
    torch = pytest.importorskip("torch", reason="needs the extra train")
    if request.param == "encoder":
        return request.getfixturevalue("small_encoder_folder")
    out = tmp_path_factory.mktemp(request.param)
    from livemood.training.export.onnx import export_onnx
    from livemood.training.network.dcrnn import DcRnn
    from livemood.training.recipe.sections import NetworkSection

    torch.manual_seed(1)
    part = NetworkSection(channels=8, hidden=16, recurrent=8, statistics_pooling=12)
    network = DcRnn(part, 64, 7).train()
    with torch.no_grad():
        network(torch.randn(16, 98, 64))
        network.head.pooling.output.weight *= 3
    export_onnx(network.eval(), 64, out / "model.onnx")
    digest = hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest()
    changes = {"sha256": digest, "precision": "float32", "name": "statistics"}
    write_manifest(read_manifest(shipped).model_copy(update=changes), out)
    return out


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder, "cpu")


@pytest.fixture(scope="module")
def sound():
    rng, at = np.random.default_rng(3), np.arange(SAMPLES)
    loud = 10 ** (-1.5 + np.sin(at / 9000) + 0.5 * np.sin(at / 1700))
    return (0.3 * loud * rng.standard_normal(SAMPLES)).astype(np.float32)


def steps_of(model, first, end):
    """The steps of the blocks from `first` to `end`, blocks of 80 or 240 ms after the first."""
    size = model.grid.block_steps
    return Span((first + 1) * size, (end + 1) * size)


def request(model, state, sound, first, end):
    """What reads the window of the blocks from `first` to `end`."""
    steps = steps_of(model, first, end)
    window = Span(model.grid.sound_of(steps).start, model.grid.sound_of(steps).end)
    assert model.grid.steps(window) == steps
    return model.request(state, window, lambda span: sound[span.start : span.end])


def read(model, state, sound, first, end):
    """Probabilities of the window of the blocks from `first` to `end`."""
    return model.read([request(model, state, sound, first, end)])[0].probabilities


def in_one_go(model, sound, first, end):
    """The same with all of the window's steps, and those before it, computed in two goes."""
    state = model.new_state()
    if first:
        read(model, state, sound, 0, first)
    return read(model, state, sound, first, end)


def blocks(model):
    """In seven seconds; and in the longest window."""
    size = model.grid.block_steps
    return model.grid.steps(Span(0, SAMPLES)).end // size - 1, model.grid.slots // size


def small_state(overlap=2):
    state = StateTensor("state", (4,), (4,), 0, np.float32, 0)
    ring = StateTensor("kept_x", (6, 2), (6, 2), 0, np.float32, 2)
    shape = Interface(5, None, None, 3, (state, ring), True, False, False)
    return StreamingState(shape, slots=10, overlap=overlap)


@settings(max_examples=3, deadline=None)
@given(hops=st.lists(st.integers(1, 9), min_size=1, max_size=14))
def test_hops_of_any_length_read_as_all_steps_at_once(model, sound, hops):
    state, end = model.new_state(), 0
    all_of_them, most = blocks(model)
    for count in hops:
        end = min(end + count, all_of_them)
        first = max(0, end - most)
        got = read(model, state, sound, first, end)
        expected = in_one_go(model, sound, first, end)
        assert np.abs(got - expected).max() < TOLERANCE
        assert got.argmax() == expected.argmax()


def test_a_window_from_the_beginning_reads_as_a_clip(model, sound):
    """A clip begins at block 0; so does a stream after 125 blocks, where positions begin again."""
    state, later = model.new_state(), 125
    for end in (4, 5, 7, 12):
        steps = steps_of(model, later - 1, later - 1 + end)
        window = model.grid.sound_of(steps)
        heard = sound[: len(window)]
        start = model.grid.sound_of(steps_of(model, later - 1, later)).start
        request = model.request(
            state, window, lambda span, s=start: sound[span.start - s : span.end - s]
        )
        got = model.read([request])[0].probabilities
        clip = model.front_end(heard)
        assert np.abs(got - model.classify([clip])[0]).max() < TOLERANCE


def test_each_frame_is_computed_once(model):
    grid = model.grid
    fresh = grid.sound_of(steps_of(model, 0, 3))
    further = grid.sound_of(steps_of(model, 3, 6), fresh=False)
    new = model.manifest.features.frames_in(len(further))
    assert new == 3 * grid.block_frames
    assert further.start == fresh.end - (400 - 160), "the next frame follows on the last"


def test_a_window_without_new_steps_reads_as_the_one_before(model, sound):
    state = model.new_state()
    before = read(model, state, sound, 0, 12)
    again = request(model, state, sound, 0, 12)
    assert not len(again.sound)
    assert (model.read([again])[0].probabilities == before).all()


@pytest.mark.parametrize("provider", ["cpu", pytest.param("cuda", marks=pytest.mark.slow)])
def test_hops_read_together_as_alone(folder, model, sound, provider):
    """Batches as large as on each provider; no GPU is needed, all of them run on the CPU.

    The streams of a batch have had different amounts of sound, some none at all.
    """
    path, most = folder / "model.onnx", LARGEST_BATCH[provider]
    wide = Model(model.manifest, OnnxNetwork(path, "cpu", largest_batch=most))
    rng = np.random.default_rng(4)
    longest = blocks(model)[1]
    ends = rng.choice([0, 4, 5, 12], most + 3)
    together = [model.new_state() for _ in ends]
    alone = [model.new_state() for _ in ends]
    for number in range(2):
        wanted = [(max(0, end + 4 * number + 4 - longest), end + 4 * number + 4) for end in ends]
        requests = []
        for state, (first, end), known in zip(together, wanted, ends, strict=True):
            if not number and known:
                read(model, state, sound, max(0, int(known) - longest), int(known))
            requests.append(request(model, state, sound, int(first), int(end)))
        rows = wide.read(requests)
        for state, (first, end), known, row in zip(alone, wanted, ends, rows, strict=True):
            if not number and known:
                read(model, state, sound, max(0, int(known) - longest), int(known))
            expected = read(model, state, sound, int(first), int(end))
            assert np.abs(row.probabilities - expected).max() < TOLERANCE


def test_sound_that_is_gone_begins_afresh(model, sound):
    state = model.new_state()
    read(model, state, sound, 0, 4)

    def gone(span):
        raise Overrun(span.end)

    window = model.grid.sound_of(steps_of(model, 1, 6))
    with pytest.raises(Overrun):
        model.request(state, window, gone)
    assert state.next is None
    got = read(model, state, sound, 2, 7)
    assert np.abs(got - read(model, model.new_state(), sound, 2, 7)).max() < TOLERANCE


def test_a_jump_begins_afresh():
    state = small_state()
    assert state.turn_to(0, 3) == 0
    state.push(np.ones((3, 3), np.float32), np.ones(3, np.float32))
    state.take([np.ones((1, 4), np.float32), np.ones((1, 2, 2), np.float32)], 0)
    state.maximum = np.float32(2)
    assert not state.fresh
    assert state.turn_to(1, 5) == 3
    assert (state.weights > 0).sum() == 2, "the step that left the window is left out"
    assert state.tensors[0].any()
    assert state.turn_to(9, 12) == 9, "steps in between are missing"
    assert state.fresh
    assert state.maximum is None
    assert not state.tensors[0].any()
    assert not state.weights.any()
    assert not state.age.any()


def test_forgetting_begins_afresh_but_keeps_the_baseline():
    state = small_state()
    state.baseline = object()
    state.turn_to(0, 3)
    state.push(np.ones((3, 3), np.float32), np.ones(3, np.float32))
    state.take([np.ones((1, 4), np.float32), np.ones((1, 2, 2), np.float32)], 0)
    state.forget()
    assert state.turn_to(3, 6) == 3
    assert state.fresh
    assert not state.tensors[0].any()
    assert state.baseline is not None


def test_a_ring_holds_the_newest_entries_and_says_how_old_each_is():
    state = small_state()
    state.turn_to(0, 3)
    for number in range(1, 6):
        new = np.full((1, 2, 2), number, np.float32)
        state.take([np.zeros((1, 4), np.float32), new], 0)
        held = sorted(zip(state.age.tolist(), state.tensors[1][:, 0].tolist(), strict=True))
        newest = [(float(age + 1), float(number - age)) for age in range(min(number, 3))]
        assert [pair for pair in held if pair[0]] == sorted(newest * 2)


def test_what_pools_is_checked_when_the_file_is_read(folder, tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs the extra train")
    network = OnnxNetwork(folder / "model.onnx", "cpu")
    assert network.labels == 7
    for key in (MOMENTS, BASELINE):
        for text in ("AAAA", "no base64!", ""):
            whole = onnx.load(str(folder / "model.onnx"))
            onnx.helper.set_model_props(whole, {key: text})
            onnx.save(whole, str(tmp_path / "model.onnx"))
            with pytest.raises(ModelError, match="damaged"):
                OnnxNetwork(tmp_path / "model.onnx", "cpu")


def test_statistics_are_mean_and_deviation_under_the_weights():
    rng = np.random.default_rng(5)
    votes, weights = rng.normal(3, 2, (2, 9, 4)), rng.uniform(0, 1, (2, 9))
    matrix = rng.normal(0, 1, (9, 3))
    pooled = statistics(votes.astype(np.float32), weights.astype(np.float32))
    got = logits_of(pooled, matrix.astype(np.float32))
    for row in range(2):
        mean = np.average(votes[row], axis=0, weights=weights[row])
        deviation = np.sqrt(np.average((votes[row] - mean) ** 2, axis=0, weights=weights[row]))
        expected = np.concatenate((mean, deviation)) @ matrix[:-1] + matrix[-1]
        assert np.abs(got[row] - expected).max() < 1e-4
