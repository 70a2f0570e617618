"""Ways to transfer: what learns, when, how fast, and from what."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("sklearn", reason="needs the extra train")

from pydantic import ValidationError  # noqa: E402

from livemood.errors import ModelError, UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.training.build import build, train  # noqa: E402
from livemood.training.data.cache import FeatureCache  # noqa: E402
from livemood.training.data.dataset import Dataset, read_dataset, read_unlabelled  # noqa: E402
from livemood.training.data.predictions import read_soft_labels  # noqa: E402
from livemood.training.evaluation.predict import predict_clips  # noqa: E402
from livemood.training.export.int8 import quantize  # noqa: E402
from livemood.training.export.onnx import export_onnx  # noqa: E402
from livemood.training.fit.batches import Batch, TrainingSet  # noqa: E402
from livemood.training.fit.losses import network_loss  # noqa: E402
from livemood.training.fit.optimizer import make_optimizer, set_trainable  # noqa: E402
from livemood.training.network.checkpoint import weights_of  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.network.initial_weights import load_initial_weights  # noqa: E402
from livemood.training.recipe.schema import Recipe  # noqa: E402
from livemood.training.recipe.sections import DistillSection, NetworkSection  # noqa: E402
from livemood.training.run_folder import Workspace  # noqa: E402

LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
SMALL = {"channels": 8, "hidden": 16, "recurrent": 8}


def recipe(**parts):
    content = {
        "name": "tiny",
        "seed": 5,
        "labels": LABELS,
        "label_map": {"calm": "neutral"},
        "corpora": [{"name": "ravdess"}],
        "augment": {"speeds": [1.0]},
        "fit": {"epochs": 1},
    }
    return Recipe.model_validate(
        {**content, **parts, "network": {**SMALL, **parts.get("network", {})}}
    )


@pytest.fixture(scope="module")
def where(corpora, tmp_path_factory):
    """With a small network as a source and teacher, by the names `float32` and `run`."""
    folder = tmp_path_factory.mktemp("strategies")
    sources = folder / "sources"
    (sources / "float32").mkdir(parents=True)
    torch.manual_seed(2)
    network = DcRnn(NetworkSection(**SMALL), 64, 7).eval()
    export_onnx(network, 64, sources / "float32" / "model.onnx")
    (sources / "run").mkdir()
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"ema": state}, sources / "run" / "checkpoint.pt")
    (sources / "run" / "recipe.json").write_text(recipe().model_dump_json())
    return Workspace(corpora, folder / "cache", sources, "cpu")


@pytest.fixture(scope="module")
def few(where):
    def data(made):
        whole = read_dataset(made.dataset, where.corpora)
        clips = whole.train[::45]
        tasks = [(c[::150], s[::150]) for c, s in whole.tasks]
        return Dataset(clips, [1.0] * len(clips), unlabelled=whole.unlabelled[:8], tasks=tasks)

    return data


def test_layers_of_the_source_learn_the_slower_the_deeper_they_lie():
    made = recipe(network={"pretrained": "x"}, fit={"layer_lr_decay": 0.5, "encoder_lr_scale": 0.5})
    network = DcRnn(made.network, 64, 7)
    rates = [group["lr"] for group in make_optimizer(made.fit, network).param_groups]
    assert rates == [1e-3, 5e-4, 2.5e-4, 1.25e-4, 6.25e-5, 3.125e-5]
    total = sum(len(group["params"]) for group in make_optimizer(made.fit, network).param_groups)
    assert total == len(list(network.parameters()))


def test_a_head_that_came_from_the_source_may_learn_as_fast_as_a_new_one():
    fit = {"layer_lr_decay": 0.5, "encoder_lr_scale": 0.5}
    for head_lr_scale, expected in ((None, 5e-4), (1.0, 1e-3)):
        made = recipe(
            network={"pretrained": "x", "pretrained_head": True},
            fit=fit | {"head_lr_scale": head_lr_scale},
        )
        network = DcRnn(made.network, 64, 7)
        groups = make_optimizer(made.fit, network).param_groups
        (head,) = [
            g for g in groups if any(p is network.head.recurrent.weight_ih_l0 for p in g["params"])
        ]
        assert head["lr"] == expected
        assert groups[-1]["lr"] == 0.5**6 * 1e-3, "layers below are not touched by it"


def loss_of(made, network, teacher, batch):
    return network_loss(made.fit, made.distill, network, batch, teacher)


def learning(made, network, epoch):
    set_trainable(made.fit, network, epoch)
    return [
        any(p.requires_grad for p in layer.parameters()) for layer in network.pretrained_layers()
    ]


def test_layers_begin_to_learn_from_the_top():
    made = recipe(network={"pretrained": "x"}, fit={"unfreeze_every": 2})
    network = DcRnn(made.network, 64, 7)
    assert learning(made, network, 0) == [False] * 5
    assert learning(made, network, 1) == [False] * 5
    assert learning(made, network, 2) == [True, False, False, False, False]
    assert learning(made, network, 9) == [True] * 4 + [False]
    assert learning(made, network, 10) == [True] * 5
    assert network.encoder.convolutions[1].training


def test_a_frozen_source_stays_as_it_was(where, few, tmp_path):
    made = recipe(network={"pretrained": "float32"}, fit={"epochs": 1, "encoder_lr_scale": 0})
    fitted = train(made, few(made), where, tmp_path / "run")
    before = DcRnn(made.network, 64, 7)
    from livemood.training.network.initial_weights import load_initial_weights

    load_initial_weights(before, 64, where.encoders)
    for name, value in before.encoder.state_dict().items():
        assert torch.equal(fitted.network.encoder.state_dict()[name], value), name


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


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 3])
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


def test_frozen_blocks_never_learn_and_the_quick_way_through_the_first_is_exact():
    made = recipe(network={"pretrained": "x"}, fit={"frozen_blocks": 2, "unfreeze_every": 1})
    torch.manual_seed(3)
    network = DcRnn(made.network, 64, 7)
    for norm in network.encoder.convolutions[1::4]:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.data.uniform_(-1, 1)
        norm.bias.data.normal_()
    set_trainable(made.fit, network, 50)
    learns = [next(layer.parameters()).requires_grad for layer in network.encoder.layers()]
    assert learns == [False, False, True, True, True]
    norms = network.encoder.convolutions[1::4]
    assert [norm.training for norm in norms] == learns[:3]
    features = torch.randn(3, 101, 64)
    network.eval()
    with torch.no_grad():
        plain = network.encoder(features)
    quick = network.encoder(features)
    assert quick.requires_grad
    assert (quick - plain).abs().max() < 1e-5


def test_clips_can_be_asked_only_about_labels_that_their_corpus_has():
    """The same loss whatever the network says of the others, and no pull away from them."""
    made = recipe(fit={"by_corpus": True})
    torch.manual_seed(0)
    network = DcRnn(made.network, 64, 7).eval()
    asked = torch.ones(4, 7)
    asked[2:, 5:] = 0
    batch = Batch(torch.randn(4, 98, 64), torch.eye(7)[:4], torch.ones(4), asked)

    def loss():
        return loss_of(made, network, None, batch)[0]

    network.head.pooling.output.zero_grad()
    loss().backward()
    pulls = network.head.pooling.output.bias.grad
    everything = Batch(batch.features, batch.targets, batch.weights)
    plain = loss_of(made, network, None, everything)[0]
    assert loss() < plain
    # In between, others count for less than the labels that the corpus has.
    less = recipe(fit={"by_corpus": True, "masked_label_weight": 0.3})
    assert loss() < loss_of(less, network, None, batch)[0] < plain
    network.head.pooling.output.zero_grad()
    plain.backward()
    # The two clips that are not asked leave half of the push against labels they do not have.
    ratio = (pulls / network.head.pooling.output.bias.grad)[5:]
    assert ((ratio > 0.3) & (ratio < 0.7)).all()


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


def test_a_corpus_can_be_a_matter_of_its_own(where):
    """A label that one small corpus has weighs no more than the others of that corpus."""
    made = recipe(
        corpora=[{"name": "ravdess"}, {"name": "tess", "share": 0.5}],
        fit={"by_corpus": True, "batch_size": 4},
        augment={"speeds": [1.0], "mixup": 0},
    )
    whole = read_dataset(made.dataset, where.corpora)
    ravdess = [c for c in whole.train if c.corpus == "ravdess"][::47]
    tess = [c for c in whole.train if c.corpus == "tess" and c.label != "happy"][::127]
    clips, shares = [*ravdess, *tess], [1.0] * len(ravdess) + [0.5] * len(tess)
    cache = FeatureCache(where.cache, made.features)
    parts = (made.features, made.augment, made.fit, cache)
    drawn = list(TrainingSet(clips, shares, LABELS, *parts).batches(np.random.default_rng(4)))
    happy = LABELS.index("happy")
    asked = [set(batch.label_mask[:, happy].tolist()) for batch in drawn]
    assert {1.0} in asked
    assert {0.0} in asked
    assert not any(len(a) > 1 for a in asked)
    weights = TrainingSet(clips, [1.0] * len(clips), LABELS, *parts)._weights
    for corpus in ("ravdess", "tess"):
        own = [(c.label, w) for c, w in zip(clips, weights, strict=True) if c.corpus == corpus]
        sums = {label: sum(w for x, w in own if x == label) for label, _ in own}
        assert max(sums.values()) == pytest.approx(min(sums.values()), rel=1e-5)
        assert sum(sums.values()) == pytest.approx(len(own), rel=1e-5)


def test_unlabelled_speech_is_learnt_from_by_what_the_teacher_says_alone():
    made = recipe(distill={"teacher": "x"})
    torch.manual_seed(0)
    network = DcRnn(made.network, 64, 7).eval()
    features = torch.randn(4, 98, 64)
    soft = torch.softmax(torch.randn(4, 7), 1)

    def loss(targets):
        batch = Batch(features, targets, torch.ones(4))
        teacher = lambda _: (soft, torch.zeros(4, 10, 16))  # noqa: E731
        return loss_of(made, network, teacher, batch)[0].item()

    nothing = loss(torch.zeros(4, 7))
    logits = network(features)
    learnt = -(soft * torch.log_softmax(logits / 2, 1)).sum(1) * 4
    assert nothing == pytest.approx(0.7 * learnt.mean().item(), rel=1e-5)
    assert loss(torch.eye(7)[:4]) > nothing


def test_a_teacher_can_be_asked_beforehand(where, few, tmp_path):
    """Probabilities from a table, by any model at all."""
    made = recipe(distill={"soft_labels": "said.csv"})
    data = few(made)
    head = ",".join(["condition", "path", *LABELS])
    rows = [",".join(["clean", str(c.path), *["0.0"] * 6, "1.0"]) for c in data.train[1:]]
    (where.encoders / "said.csv").write_text("\n".join([head, *rows]))
    soft = read_soft_labels(where.encoders / "said.csv", data.train, LABELS)
    assert soft[0].sum() == 0
    assert soft[1:].sum() == len(data.train) - 1
    fitted = train(made, data, where, tmp_path / "run")
    assert all(p.isfinite().all() for p in fitted.network.parameters())
    more = recipe(distill={"soft_labels": "said.csv", "unlabelled": ["librispeech"]})
    with pytest.raises(UsageError, match="says nothing of 8 unlabelled clips"):
        train(more, few(more), where, tmp_path / "more")
    (where.encoders / "said.csv").write_text("path,happy\nx,1\n")
    with pytest.raises(UsageError, match="predictions"):
        read_soft_labels(where.encoders / "said.csv", data.train, LABELS)


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
