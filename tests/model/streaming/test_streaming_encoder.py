"""A streaming encoder reads as the same network computed at once, however long the stream is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio import Span
from livemood.errors import ModelError
from livemood.model.manifest import Manifest, read_manifest, write_manifest
from livemood.model.network.pooling import logits_of, statistics, weights_of
from livemood.model.registry import load_model

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")

from small_encoder import Encoder, export, make, manifest_of  # noqa: E402

BLOCK, RATE = 3840, 16000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture(scope="module")
def encoder(folder):
    return make(folder)


@pytest.fixture(scope="module")
def model(folder, encoder):
    return load_model(folder, "cpu")


def speech_like(seconds, seed, loudness=0.03):
    rng, count = np.random.default_rng(seed), round(seconds * RATE)
    pitch = np.cumsum(
        np.interp(np.arange(count) / 3000, np.arange(count), rng.uniform(80, 300, count))
    )
    syllables = np.abs(np.sin(np.arange(count) / 1900)) + 0.05
    voice = np.sign(np.sin(2 * np.pi * pitch / RATE)) + 0.3 * rng.standard_normal(count)
    return (loudness * syllables * voice).astype(np.float32)


def window_at(end):
    return Span(max(0, end - 3 * RATE), end)


def read(model, state, sound, end):
    request = model.request(state, window_at(end), lambda span: sound[span.start : span.end])
    return model.read([request])[0]


def at_once(model, encoder, sound, start, end):
    """Probabilities and no-speech of the window at `end`, all since `start` in one go."""
    steps = model.grid.steps(Span(start, end))
    heard = model.grid.sound_of(steps)
    features = model.front_end(sound[heard.start : heard.end])
    votes, scores, no_speech = encoder.whole(torch.from_numpy(features)[None], 0)
    first = model.grid.steps(window_at(end)).start - steps.start
    votes, weights = votes[first:, 0].numpy()[None], weights_of(scores[first:, 0].numpy()[None])
    logits = logits_of(statistics(votes, weights), encoder.matrix(7))[0].astype(float)
    odds = np.exp(logits - logits.max())
    return odds / odds.sum(), 1 / (1 + np.exp(-no_speech[first:, 0].double().mean().item()))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(hops=st.lists(st.integers(1, 12), min_size=1, max_size=8), later=st.sampled_from((0, 100)))
def test_block_by_block_it_reads_as_the_whole_sequence(model, encoder, hops, later):
    """Also where positions begin again, which they do after 125 blocks."""
    sound, state, end = speech_like(60, 1), model.new_state(), BLOCK * 20
    start = window_at(end).start
    for blocks in (0, *[10] * (later // 10), *hops):
        end += blocks * BLOCK
        got = read(model, state, sound, end)
        probabilities, not_speech = at_once(model, encoder, sound, start, end)
        assert np.abs(got.probabilities - probabilities).max() < 1e-4
        assert got.not_speech == pytest.approx(not_speech, abs=1e-4)


def test_the_past_matters_and_it_matters_how_old_it_is(model):
    """Without this the test above would pass with nothing kept at all."""
    sound, state = speech_like(8, 1), model.new_state()
    for end in range(4 * BLOCK, 20 * BLOCK, BLOCK):
        read(model, state, sound, end)
    for change in ("age", "kept_keys0", "state_recurrent"):
        changed = model.new_state()
        for end in range(4 * BLOCK, 20 * BLOCK, BLOCK):
            read(model, changed, sound, end)
        if change == "age":
            changed.age[::2] = 0
        else:
            names = [s.name for s in model._network.interface.states]
            changed.tensors[names.index(change)][:] = 0
        got = read(model, changed, sound, 20 * BLOCK).probabilities
        before = state.last.probabilities
        assert np.abs(got - before).max() > 1e-4


def test_windows_on_the_grid_are_read_to_their_last_sample(model):
    for blocks in (5, 13, 200):
        window = window_at(blocks * BLOCK)
        assert model.window_of(window) == window
    assert model.window_of(Span(0, 10 * BLOCK + 3000)).end == 10 * BLOCK
    assert len(model.window_of(Span(0, BLOCK))) == 0


@pytest.mark.parametrize(
    "minutes", [3, pytest.param(60, marks=pytest.mark.slow)], ids=["3 min", "1 h"]
)
def test_the_last_minute_of_a_long_stream_reads_as_that_minute_alone(model, minutes):
    """From ten seconds on, though what came before was louder by 20 dB; positions never run out."""
    minute = speech_like(60, 2)
    before = speech_like(60, 3, loudness=0.3)
    state, alone = model.new_state(), model.new_state()
    skipped = (minutes - 1) * 60 * RATE

    def sound(span):
        if span.start >= skipped:
            return minute[span.start - skipped : span.end - skipped]
        at = np.arange(span.start, span.end)
        return np.where(
            at < skipped, before[at % len(before)], minute[(at - skipped) % len(minute)]
        )

    worst = 0.0
    for end in range(4 * BLOCK, minutes * 60 * RATE + 1, BLOCK):
        got = model.read([model.request(state, window_at(end), sound)])[0]
        if end - skipped >= 4 * BLOCK:
            own = read(model, alone, minute, end - skipped)
            if end - skipped > 13 * RATE:
                worst = max(worst, np.abs(got.probabilities - own.probabilities).max())
    assert worst < 1e-3


def test_a_speech_reads_the_same_wherever_it_lies_in_the_stream(model):
    """Its positions count from where it began: 7, 100 and 1000 blocks later it is the same."""
    sound = speech_like(9, 5)

    def readings(skipped):
        state, found = model.new_state(), []
        before = np.zeros(skipped * BLOCK, np.float32)
        whole = np.concatenate((before, sound))
        for blocks in range(5, 36):
            end = (skipped + blocks) * BLOCK
            window = Span(max(skipped * BLOCK, end - 3 * RATE), end)
            request = model.request(state, window, lambda s: whole[max(0, s.start) : s.end])
            found.append(model.read([request])[0].probabilities)
        return np.array(found)

    expected = readings(1)
    assert np.ptp(expected, axis=0).max() > 1e-3
    for skipped in (7, 100, 1000):
        assert np.abs(readings(skipped) - expected).max() < 1e-6


def test_the_level_does_not_matter(model):
    sound = speech_like(6, 4)
    expected = model.predict(sound, RATE).probabilities
    for db in (-30, -20, -10, 10):
        got = model.predict(np.float32(10 ** (db / 20)) * sound, RATE).probabilities
        assert max(abs(got[label] - expected[label]) for label in expected) < 1e-3


def test_a_hop_that_is_no_whole_number_of_blocks_is_refused(folder, encoder):
    told = read_manifest(folder).model_dump(by_alias=True)
    for hop in (None, 0.25, 0.1):
        with pytest.raises(ValueError, match="whole number"):
            Manifest.model_validate(told | {"hop_s": hop})
    assert Manifest.model_validate(told | {"hop_s": 0.48}).hop_s == 0.48


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": {"block_steps": 2}, "hop_s": 0.16}, "27 frames as 2 steps"),
        ({"network": {"context_frames": 30}}, "30 frames as 3 steps"),
        ({"network": {"kept_frames": 1}}, "sees every block whole"),
        ({"features": {"mels": 64}}, "64 mel bands"),
    ],
)
def test_a_file_that_does_not_fit_its_manifest_is_refused(folder, encoder, tmp_path, changes, said):
    told = read_manifest(folder).model_dump(by_alias=True)
    for key, value in changes.items():
        told[key] = told[key] | value if isinstance(value, dict) else value
    (tmp_path / "model.onnx").symlink_to(folder / "model.onnx")
    write_manifest(Manifest.model_validate(told), tmp_path)
    with pytest.raises(ModelError, match=said):
        load_model(tmp_path, "cpu")


def renamed(source, target, **names):
    """The file at `source` with other names for some inputs and outputs."""
    import onnx

    model = onnx.load(str(source))
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(name, name) for name in places]
    onnx.save(model, str(target))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"age": "old"}, "new_old"),
        ({"votes": "logits"}, "votes"),
        ({"features": "sound"}, "features"),
        ({"new_kept_keys0": "new_keys0"}, "new_kept_keys0"),
        ({"not_speech": "music"}, "music"),
    ],
)
def test_a_file_with_another_interface_is_refused_in_one_line(
    folder, encoder, tmp_path, names, said
):
    renamed(folder / "model.onnx", tmp_path / "model.onnx", **names)
    write_manifest(manifest_of(tmp_path / "model.onnx"), tmp_path)
    with pytest.raises(ModelError, match=said) as error:
        load_model(tmp_path, "cpu")
    assert "\n" not in str(error.value)
    assert "export it again" in str(error.value)


def test_rings_that_hold_no_whole_number_of_blocks_are_refused(tmp_path):
    export(Encoder(kept=30), tmp_path / "model.onnx", 7)
    write_manifest(manifest_of(tmp_path / "model.onnx"), tmp_path)
    with pytest.raises(ModelError, match="whole number of calls"):
        load_model(tmp_path, "cpu")
