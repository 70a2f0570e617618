"""Ways to transfer: what learns, when, how fast, and from what."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

from pydantic import ValidationError  # noqa: E402
from tiny_recipe import LABELS, SMALL, recipe  # noqa: E402

from livemood.errors import ModelError, UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.training.build import build, train  # noqa: E402
from livemood.training.data.dataset import Dataset, read_dataset, read_unlabelled  # noqa: E402
from livemood.training.evaluation.predict import predict_clips  # noqa: E402
from livemood.training.export.int8 import quantize  # noqa: E402
from livemood.training.export.onnx import export_onnx  # noqa: E402
from livemood.training.network.checkpoint import weights_of  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.network.initial_weights import load_initial_weights  # noqa: E402
from livemood.training.recipe.sections import DistillSection, NetworkSection  # noqa: E402

STRATEGIES = {
    "scratch": {},
    "frozen": {"network": {"pretrained": "float32"}, "fit": {"epochs": 1, "encoder_lr_scale": 0}},
    "tuned": {"network": {"pretrained": "float32"}, "fit": {"epochs": 1, "layer_lr_decay": 0.7}},
    "unfrozen": {"network": {"pretrained": "float32"}, "fit": {"epochs": 1, "unfreeze_every": 1}},
    "tasks": {
        "tasks": [
            {"name": "eight", "labels": ["calm", *LABELS], "corpora": [{"name": "ravdess"}]},
            {
                "name": "wild",
                "labels": ["calm", "happy", "angry", "fear"],
                "corpora": [{"name": "emospeech-in"}],
                "weight": 0.5,
            },
        ]
    },
    "distilled": {
        "distill": {
            "teacher": "float32",
            "teachers": ["run"],
            "feature_weight": 0.5,
            "unlabelled": ["librispeech"],
        }
    },
    "sampled": {"fit": {"epochs": 1, "balance": "sample", "l1": 1e-5}},
    "lstm": {
        "network": {"cell": "lstm", "recurrent_layers": 2, "kernel_bands": 5, "pooling": "mean"}
    },
    "step_projection": {"network": {"pretrained": "run", "step_projection": 12}},
    "moments": {"network": {"pretrained": "run", "statistics_pooling": 12}},
}


FEW = ("scratch", "tuned", "distilled", "tasks")
"""Of these, those that the fast tests train."""


@pytest.mark.parametrize(
    "name",
    [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in STRATEGIES],
)
def test_every_strategy_gives_a_model(name, where, few, tmp_path):
    made = recipe(**STRATEGIES[name])
    data = few(made)
    folders = build(made, data, where, tmp_path / "run")
    for folder in folders.values():
        model = load_model(folder, "cpu")
        assert model.manifest.metrics["onnx_parity"] < 1e-4
        _, probabilities = predict_clips(model, data.train[:3])
        assert np.allclose(probabilities.sum(axis=1), 1)
    curve = (tmp_path / "run" / "curve.jsonl").read_text().splitlines()
    assert len(curve) == made.fit.epochs
    assert json.loads((tmp_path / "run" / "versions.json").read_text())["torch"]


@pytest.mark.parametrize(
    ("cell", "layers"),
    [
        ("gru", 1),
        ("lstm", 3),
        pytest.param("gru", 3, marks=pytest.mark.slow),
        pytest.param("lstm", 1, marks=pytest.mark.slow),
    ],
)
def test_states_of_any_recurrent_layer_can_be_gone_on_from(cell, layers, tmp_path):
    torch.manual_seed(1)
    part = NetworkSection(**SMALL, cell=cell, recurrent_layers=layers)
    network = DcRnn(part, 64, 7).eval()
    head = network.head
    steps = torch.randn(2, 20, 16)
    with torch.no_grad():
        whole, last = head.run(steps, torch.zeros(2, head.width))
        _, kept = head.run(steps[:, :12], torch.zeros(2, head.width))
        rest, again = head.run(steps[:, 12:], kept)
    assert (whole[:, 12:] - rest).abs().max() < 1e-6
    assert (last - again).abs().max() < 1e-6
    assert export_onnx(network, 64, tmp_path / "model.onnx") < 1e-4
    quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx", [np.zeros((98, 64), np.float32)] * 2)


def test_a_run_goes_on_from_another_with_its_batch_norms(where, few, tmp_path):
    """Its front and its recurrent layer whatever its labels; its last layer only for the same."""
    first = recipe(network={"bidirectional": 4})
    train(first, few(first), where, where.encoders / "before")
    left = weights_of(where.encoders / "before")
    assert left["encoder.convolutions.1.running_mean"].abs().max() > 0
    for labels, same in ((LABELS, True), (LABELS[:4], False)):
        part = first.network.model_copy(update={"pretrained": "before", "pretrained_head": True})
        torch.manual_seed(9)
        network = DcRnn(part, 64, len(labels))
        load_initial_weights(network, 64, where.encoders)
        for name, value in network.state_dict().items():
            if same or "pooling.output" not in name:
                assert torch.equal(value, left[name]), name
            else:
                assert len(value) == 4
    other = DcRnn(part.model_copy(update={"rank": 4}), 64, 7)
    with pytest.raises(ModelError, match="does not fit"):
        load_initial_weights(other, 64, where.encoders)
    network.section = part.model_copy(update={"pretrained_sha256": "x"})
    with pytest.raises(ModelError, match="SHA-256"):
        load_initial_weights(network, 64, where.encoders)


@pytest.mark.slow
def test_versions_of_clips_are_made_once_and_drawn_from(where, few, tmp_path):
    """With frozen blocks what those give is kept; a second run finds it and makes nothing."""
    made = recipe(
        network={"pretrained": "float32"},
        augment={"copies": 3, "speeds": [1.0]},
        fit={"frozen_blocks": 2, "epochs": 2},
    )
    own = replace(where, cache=tmp_path / "cache")
    data = few(made)
    fitted = train(made, data, own, tmp_path / "run")
    examples = fitted.examples
    files = sorted((tmp_path / "cache").glob("copies-*/*/*.npy"))
    assert len(files) == 3 * len(data.train)
    maps = np.load(next(f for f in files if f.stem == f"{data.train[0].identity}-0"))
    plain = (examples.features[0][0].astype(np.float32) - examples.mean) / examples.deviation
    with torch.no_grad():
        below = fitted.network.encoder.convolutions[:8](torch.from_numpy(plain)[None, None])[0]
    assert np.abs(maps - below.permute(1, 2, 0).numpy()).max() < 0.02  # kept in 16 bits
    batch = next(examples.batches(np.random.default_rng(1)))
    assert batch.features.shape[1::2] == (8, 16)
    times = [f.stat().st_mtime_ns for f in files]
    again = train(made, data, own, tmp_path / "again")
    assert [
        f.stat().st_mtime_ns for f in sorted((tmp_path / "cache").glob("copies-*/*/*"))
    ] == times
    pairs = zip(fitted.network.parameters(), again.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    # More of them are made beside those that are there, also for other clips.
    augment = made.augment.model_copy(update={"copies": 4, "mixup": 0.0})
    fixed = made.features.model_copy(
        update={"mean": examples.mean, "deviation": examples.deviation}
    )
    more = made.model_copy(update={"augment": augment, "features": fixed})
    train(more, replace(data, train=data.train[:-4], shares=data.shares[:-4]), own, tmp_path / "4")
    found = sorted((tmp_path / "cache").glob("copies-*/*/*.npy"))
    assert set(files) < set(found)
    assert len(found) == len(files) + len(data.train) - 4
    taught = made.model_copy(update={"distill": DistillSection(teacher="run")})
    with pytest.raises(ModelError, match="other blocks"):
        train(taught, data, own, tmp_path / "taught")


def test_training_stops_when_validation_gets_no_better(where, tmp_path):
    made = recipe(
        fit={"epochs": 40, "validation_share": 0.15, "patience": 2, "learning_rate": 1e-7}
    )
    whole = read_dataset(made.dataset, where.corpora)
    data = Dataset(whole.train[::40], [1.0] * len(whole.train[::40]))
    seen = []
    train(made, data, where, tmp_path / "run", seen.append)
    scores = [row["validation_uar"] for row in seen]
    best = scores.index(max(scores))
    assert len(scores) == best + 3 < 40
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["epoch"] == len(scores)
    assert state["best"] is not None


@pytest.mark.slow
def test_sound_is_changed_the_same_way_by_any_number_of_processes(where, few, tmp_path):
    pytest.importorskip("audiomentations", reason="needs the extra augment")
    sound = [
        {"kind": "pitch_shift", "p": 0.5},
        {"kind": "noise"},
        {"kind": "packet_loss", "p": 0.3},
    ]
    made = recipe(augment={"speeds": [1.0], "waveform": sound}, fit={"epochs": 1})
    data = few(made)
    states = []
    for workers in (0, 2):
        run = tmp_path / str(workers)
        train(made, data, replace(where, workers=workers), run)
        states.append(torch.load(run / "checkpoint.pt", weights_only=True)["ema"])
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_a_run_by_another_recipe_is_not_gone_on_with(where, few, tmp_path):
    made = recipe(fit={"epochs": 1})
    train(made, few(made), where, tmp_path / "run")
    with pytest.raises(UsageError, match="another recipe"):
        train(recipe(fit={"epochs": 2}), few(made), where, tmp_path / "run")


def test_data_on_both_sides_are_refused(where, few, tmp_path):
    made = recipe()
    data = few(made)
    data.test = data.train[3:4]
    with pytest.raises(UsageError, match="on both sides"):
        train(made, data, where, tmp_path / "run")
    with pytest.raises(ModelError, match="no run and no model"):
        train(recipe(distill={"teacher": "x"}), few(made), where, tmp_path / "other")
    alone = recipe(distill={"unlabelled": ["librispeech"]})
    with pytest.raises(UsageError, match=r"distill\.teachers or distill\.soft_labels"):
        train(alone, few(alone), where, tmp_path / "nobody")


@pytest.mark.parametrize(
    "wrong",
    [
        {"fit": {"patience": 2}},
        {"distill": {"feature_weight": 1.0}},
        {"distill": {"unlabelled_share": 0.0}},
        {"augment": {"waveform": [{"kind": "nonsense"}]}},
        {"network": {"kernel_bands": 4}},
    ],
)
def test_recipes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        recipe(**wrong)


def test_a_share_of_speech_without_labels_follows_from_names_and_is_never_empty(tmp_path):
    names = [f"{n}.wav" for n in range(400)]
    (tmp_path / "metadata.csv").write_text("\n".join(["path", *names]))
    quarter, half = ([c.path.name for c in read_unlabelled(tmp_path, s)] for s in (0.25, 0.5))
    assert 70 < len(quarter) < 130
    assert set(quarter) < set(half) < set(names)
    (tmp_path / "metadata.csv").write_text("\n".join(["path", *reversed(names)]))
    assert {c.path.name for c in read_unlabelled(tmp_path, 0.25)} == set(quarter)
    with pytest.raises(UsageError, match="leaves no clip"):
        read_unlabelled(tmp_path, 1e-6)
