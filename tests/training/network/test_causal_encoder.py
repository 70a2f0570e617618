"""The streaming encoder: block by block it says what the whole says, in torch, ONNX and int8."""

import hashlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from safetensors.torch import save_file  # noqa: E402

from livemood.errors import ModelError  # noqa: E402
from livemood.model.network import OnnxNetwork  # noqa: E402
from livemood.training.export.streaming_encoder import (  # noqa: E402
    StreamRunner,
    export_streaming,
    quantize_streaming,
)
from livemood.training.network.streaming_encoder import (  # noqa: E402
    StreamingEncoder,
    StreamingEncoderModel,
    VoiceHead,
    block_causal,
)
from livemood.training.network.whisper import WhisperStack  # noqa: E402
from livemood.training.network.whisper_weights import find_weights, read_weights  # noqa: E402

LABELS = 7


@pytest.fixture(scope="module")
def model():
    """A small encoder with random weights, large enough ones that every layer matters."""
    torch.manual_seed(5)
    stack = WhisperStack(blocks=2, width=32, heads=4)
    for block in stack.blocks:
        for layer in (block.attn.query, block.attn.key, block.attn.value, block.attn.out):
            torch.nn.init.normal_(layer.weight, 0, 0.5)
    head = VoiceHead(64, LABELS, 0.3, project=12, units=8)
    torch.nn.init.normal_(head.score.weight)
    for name in ("input_mean", "centre", "typical"):
        getattr(head, name).normal_()
    for name in ("input_scale", "spread"):
        getattr(head, name).uniform_(0.5, 2)
    return StreamingEncoderModel(StreamingEncoder(stack), head).eval()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "model.onnx"
    assert export_streaming(model, path) < 1e-4
    return path


def frames(blocks, batch=2, seed=1):
    return torch.randn(batch, 24 * blocks + 3, 80, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("blocks", [1, 2, 5, 6, 13])
@pytest.mark.parametrize("first", [0, 3, 118, 124])
def test_sound_as_it_comes_reads_as_the_whole(model, exported, blocks, first):
    # 13 blocks from 118 on pass the place where positions begin again.
    features = frames(blocks)
    with torch.no_grad():
        whole, _ = model.head.steps(model.encoder(features, first))
    assert (
        np.abs(StreamRunner(exported).votes(features.numpy(), first) - whole.numpy()).max() < 1e-4
    )


def test_a_stream_reads_the_same_alone_and_beside_others(exported):
    features = frames(4, batch=5).numpy()
    runner = StreamRunner(exported)
    together = runner.votes(features)
    alone = [runner.votes(features[n : n + 1])[0] for n in range(5)]
    assert np.abs(together - np.stack(alone)).max() < 1e-5


def test_nothing_is_seen_before_it_is_heard(model):
    features = frames(6)
    later = features.clone()
    later[:, 24 * 4 + 3 :] = 0  # what only the fifth block and those after it see
    with torch.no_grad():
        a, b = (model.head.steps(model.encoder(f))[0] for f in (features, later))
    assert torch.equal(a[:, : 3 * 4], b[:, : 3 * 4])
    assert not torch.allclose(a[:, 3 * 4 :], b[:, 3 * 4 :])


def test_a_step_looks_back_so_far_and_not_past_the_turn():
    seen = block_causal(12 * 8, first=120)
    at = 12 * 7  # block 127, whose positions began again at block 125
    assert seen[at].nonzero().flatten().tolist() == list(range(12 * 5, 12 * 8))
    assert block_causal(12 * 8)[at].nonzero().flatten().tolist() == list(range(12 * 3, 12 * 8))


def test_the_product_reads_windows_as_torch_does(model, exported):
    features = frames(3)
    network = OnnxNetwork(exported, "cpu")
    said = StreamRunner(exported).votes(features.numpy())
    with torch.no_grad():
        logits = model(features).numpy()
        scores = model.head.score(torch.from_numpy(said))[..., 0].numpy()
    weights = np.exp(scores)
    read = network.read(network.pool(said, weights.astype(np.float32)))
    assert np.abs(read - logits).max() < 1e-3
    assert network.speakers is not None
    assert np.allclose(network.speakers.mean, model.head.typical.numpy())


def test_int8_says_nearly_the_same(exported, tmp_path):
    runner, target = StreamRunner(exported), tmp_path / "int8.onnx"
    given = [feed for seed in range(6) for feed, _ in runner.feeds(frames(5, 1, seed).numpy())]
    quantize_streaming(exported, target, given)
    features = frames(5, 3, seed=50).numpy()
    a, b = runner.votes(features), StreamRunner(target).votes(features)
    assert 0 < np.square(a - b).mean() < 0.02 * a.var()
    assert OnnxNetwork(target, "cpu").speakers is not None


def test_weights_are_those_of_a_known_file(tmp_path):
    torch.manual_seed(0)
    stack = WhisperStack(blocks=4, width=32, heads=4)
    tensors = {k: v.half() for k, v in stack.state_dict().items()}
    path = tmp_path / "whisper-tiny-en.safetensors"
    save_file(tensors, path)
    checkpoint = tmp_path / "tiny.en.pt"
    state = {f"encoder.{k}": v for k, v in tensors.items()} | {"decoder.x": torch.zeros(1)}
    torch.save({"dims": {}, "model_state_dict": state}, checkpoint)
    known = {hashlib.sha256(path.read_bytes()).hexdigest(): "safetensors"}
    known[hashlib.sha256(checkpoint.read_bytes()).hexdigest()] = "checkpoint"
    assert find_weights(tmp_path) == path
    for file in (path, checkpoint):
        two = WhisperStack(blocks=2, width=32, heads=4)
        two.load(read_weights(file, known))
        assert torch.allclose(two.blocks[1].mlp[0].weight, stack.blocks[1].mlp[0].weight, atol=1e-3)
    with pytest.raises(ModelError, match="not a known file of Whisper: its SHA-256 is"):
        read_weights(path)
    with pytest.raises(ValueError, match="do not fit at"):
        WhisperStack(blocks=2, width=16, heads=4).load(read_weights(path, known))


def test_a_damaged_or_missing_file_is_told(tmp_path):
    path = tmp_path / "tiny.en.pt"
    path.write_bytes(b"no checkpoint")
    known = {hashlib.sha256(path.read_bytes()).hexdigest(): "checkpoint"}
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(path, known)
    with pytest.raises(ModelError, match=r"no weights of Whisper tiny\.en in"):
        find_weights(tmp_path / "none")
