"""What learns, when and how fast, and from which labels."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

from tiny_recipe import LABELS, recipe  # noqa: E402

from livemood.errors import UsageError  # noqa: E402
from livemood.training.build import train  # noqa: E402
from livemood.training.data.cache import FeatureCache  # noqa: E402
from livemood.training.data.dataset import read_dataset  # noqa: E402
from livemood.training.data.predictions import read_soft_labels  # noqa: E402
from livemood.training.fit.batches import Batch, TrainingSet  # noqa: E402
from livemood.training.fit.losses import network_loss  # noqa: E402
from livemood.training.fit.optimizer import make_optimizer, set_trainable  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.network.initial_weights import load_initial_weights  # noqa: E402


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

    load_initial_weights(before, 64, where.encoders)
    for name, value in before.encoder.state_dict().items():
        assert torch.equal(fitted.network.encoder.state_dict()[name], value), name


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
