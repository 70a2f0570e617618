"""What one network learnt, another begins with or learns from."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from livemood.errors import ModelError  # noqa: E402
from livemood.model.network.pooling import weighted_mean, weights_of  # noqa: E402
from livemood.training.export.int8 import quantize  # noqa: E402
from livemood.training.export.onnx import export_onnx  # noqa: E402
from livemood.training.export.streaming_module import Streaming  # noqa: E402
from livemood.training.fit.losses import distillation_loss  # noqa: E402
from livemood.training.fit.teacher import load_teacher  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.network.initial_weights import load_initial_weights, network_shape  # noqa: E402
from livemood.training.recipe.schema import Recipe  # noqa: E402
from livemood.training.recipe.sections import NetworkSection  # noqa: E402

SMALL = {"channels": 8, "hidden": 16, "recurrent": 8}
MELS, LABELS = 64, 5


@pytest.fixture(scope="module")
def features():
    return torch.randn(4, 150, MELS, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A small network, and the folder in which it lies as a float and as an int8 model."""
    torch.manual_seed(2)
    network = DcRnn(NetworkSection(**SMALL), MELS, LABELS)
    with torch.no_grad():  # statistics as training would leave them, to be folded on export
        network.train()
        network(torch.randn(16, 98, MELS))
    network.eval()
    folder = tmp_path_factory.mktemp("sources")
    for name in ("float32", "int8"):
        (folder / name).mkdir()
    export_onnx(network, MELS, folder / "float32" / "model.onnx")
    windows = [w.numpy() for w in torch.randn(8, 150, MELS)]
    quantize(folder / "float32" / "model.onnx", folder / "int8" / "model.onnx", windows)
    return network, folder


def begun(folder, **part):
    wanted = NetworkSection(**SMALL, **part)
    torch.manual_seed(9)
    network = DcRnn(wanted, MELS, LABELS)
    load_initial_weights(network, MELS, folder)
    return network.eval()


@torch.no_grad()
def difference(one, other, features):
    return float((one(features) - other(features)).abs().max())


@pytest.mark.parametrize(("name", "within"), [("float32", 1e-5), ("int8", 0.1)])
def test_a_whole_network_comes_out_of_its_file(source, features, name, within):
    again = begun(source[1], pretrained=name, pretrained_head=True)
    assert difference(again, source[0], features) < within


def test_without_its_head_only_the_encoder_is_transferred(source, features):
    again = begun(source[1], pretrained="float32")
    with torch.no_grad():
        steps = (again.encoder(features) - source[0].encoder(features)).abs().max()
    assert steps < 1e-5
    assert difference(again, source[0], features) > 1e-3


def test_factors_of_full_rank_are_exact_and_of_less_rank_near(source, features):
    # A kernel of 8 by 3 inputs and outputs has rank 24.
    errors = [
        difference(
            begun(source[1], pretrained="float32", pretrained_head=True, rank=r),
            source[0],
            features,
        )
        for r in (24, 12, 2)
    ]
    assert errors[0] < 1e-5
    assert 1e-4 < min(errors[1:]) < max(errors[1:]) < 0.1


def test_a_low_rank_network_can_be_begun_from_in_its_own_shape(source, features, tmp_path):
    low_rank = begun(source[1], pretrained="float32", pretrained_head=True, rank=4, width=8)
    (tmp_path / "low-rank").mkdir()
    export_onnx(low_rank, MELS, tmp_path / "low-rank" / "model.onnx")
    again = begun(tmp_path, pretrained="low-rank", pretrained_head=True, rank=4, width=8)
    assert difference(again, low_rank, features) < 1e-5
    with pytest.raises(ModelError, match="does not fit"):
        begun(tmp_path, pretrained="low-rank", pretrained_head=True)


@pytest.mark.parametrize("kind", ["step_projection", "statistics_pooling"])
def test_a_step_projection_is_part_of_the_head_that_comes_out_of_a_file(
    kind, source, features, tmp_path
):
    torch.manual_seed(4)
    network = DcRnn(NetworkSection(**SMALL, **{kind: 6}), MELS, LABELS).train()
    with torch.no_grad():  # scales of mean and deviation, to be folded on export
        network(torch.randn(16, 98, MELS))
    network.eval()
    (tmp_path / "with").mkdir()
    export_onnx(network, MELS, tmp_path / "with" / "model.onnx")
    assert getattr(network_shape(tmp_path / "with"), kind) == 6
    assert getattr(network_shape(source[1] / "float32"), kind) == 0
    again = begun(tmp_path, pretrained="with", pretrained_head=True, **{kind: 6})
    assert difference(again, network, features) < 1e-5
    with torch.no_grad():  # it reads the steps, not only what the recurrence kept of them
        steps, states = 9 * torch.randn(2, 1, 16), torch.zeros(2, 1, SMALL["recurrent"])
        one, other = network.head.project(steps, states)
    assert not torch.equal(one, other)
    # As many outputs as the network that goes on hands to its head.
    low_rank = begun(tmp_path, pretrained="with", pretrained_head=True, width=8, **{kind: 6})
    weights = low_rank.head.step_projection.state_dict()
    assert next(v.shape for k, v in weights.items() if k.endswith("weight")) == (6, 16)
    for other, part in ((tmp_path, {}), (source[1], {kind: 6})):
        name = "with" if other == tmp_path else "float32"
        with pytest.raises(ModelError, match="does not fit"):
            begun(other, pretrained=name, pretrained_head=True, **part)


def test_a_source_that_is_missing_or_another_is_refused(source):
    with pytest.raises(ModelError, match="no pretrained encoder"):
        begun(source[1], pretrained="nothing")
    with pytest.raises(ModelError, match="SHA-256"):
        begun(source[1], pretrained="float32", pretrained_sha256="0" * 64)


def recipe(**distill):
    return Recipe.model_validate(
        {
            "name": "x",
            "seed": 1,
            "labels": [f"l{n}" for n in range(LABELS)],
            "corpora": [],
            "network": SMALL,
            "distill": distill,
        }
    )


def teacher_of(made, folder):
    return load_teacher(made.distill, made.labels, made.features.mels, folder)


def test_a_model_teaches_its_softened_probabilities(source, features):
    teacher = teacher_of(recipe(teacher="float32", temperature=4.0), source[1])
    with torch.no_grad():
        expected = torch.softmax(source[0](features) / 4.0, dim=1)
    assert (teacher(features)[0] - expected).abs().max() < 1e-5


def test_a_run_teaches_with_all_its_heads(features, tmp_path):
    part = NetworkSection(**SMALL, bidirectional=6)
    torch.manual_seed(3)
    network = DcRnn(part, MELS, LABELS).eval()
    ema = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"ema": ema | {"n_averaged": torch.tensor(1)}}, tmp_path / "checkpoint.pt")
    made = json.loads(recipe().model_dump_json()) | {"network": part.model_dump()}
    (tmp_path / "recipe.json").write_text(json.dumps(made))
    teacher = teacher_of(recipe(teacher="."), tmp_path)
    with torch.no_grad():
        heads = [torch.softmax(head / 2.0, dim=1) for head in network.heads(features)]
    assert len(heads) == 2
    assert (teacher(features)[0] - (heads[0] + heads[1]) / 2).abs().max() < 1e-6
    (tmp_path / "recipe.json").write_text(json.dumps(made | {"labels": ["a", "b"]}))
    with pytest.raises(ModelError, match="labels"):
        teacher_of(recipe(teacher="."), tmp_path)


def test_no_teacher_is_none_and_one_needs_a_folder():
    assert teacher_of(recipe(), None) is None
    with pytest.raises(ModelError, match="--encoders"):
        teacher_of(recipe(teacher="x"), None)


def test_agreeing_with_the_teacher_is_the_least_loss():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    soft = torch.softmax(logits / 2.0, dim=1)
    best = distillation_loss(logits, soft, 2.0)
    for other in ([2.5, 0.0, -1.0], [0.0, 0.0, 0.0], [2.0, 1.0, -1.0]):
        assert distillation_loss(torch.tensor([other]), soft, 2.0) > best


def test_streaming_gives_what_the_network_gives(source, features):
    """Whole windows through the exported form, which pools after the rectifier."""
    network, streaming = source[0], Streaming(source[0]).eval()
    rows = [torch.empty(4, 8, 0, MELS // n) for n in (2, 4)]
    with torch.no_grad():
        votes, scores, *_ = streaming(features, *rows, torch.zeros(1, 4, 8))
        logits = weighted_mean(votes.transpose(0, 1).numpy(), weights_of(scores.T.numpy()))
        assert np.abs(logits - network(features).numpy()).max() < 1e-5
