"""Which examples share a batch, and what an epoch says of them."""

import itertools
import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra train")

from pydantic import ValidationError  # noqa: E402

from livemood.errors import UsageError  # noqa: E402
from livemood.model.features import FeatureSettings  # noqa: E402
from livemood.training.data.clips import UNLABELLED, Clip  # noqa: E402
from livemood.training.fit.batches import Batch, TrainingSet, batch_bounds  # noqa: E402
from livemood.training.fit.curves import write_curves  # noqa: E402
from livemood.training.fit.optimizer import make_optimizer, set_trainable  # noqa: E402
from livemood.training.fit.trainer import Trainer  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.recipe.sections import (  # noqa: E402
    AugmentSection,
    FitSection,
    NetworkSection,
)

LABELS = ("neutral", "happy", "sad")


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    size=st.integers(2, 12),
)
@settings(deadline=None)
def test_no_batch_straddles_groups_and_none_but_a_group_of_one_is_single(sizes, size):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    bounds = batch_bounds(groups, size)
    assert [first for first, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == len(groups)
    for first, end in bounds:
        (group,) = set(groups[first:end].tolist())
        assert end - first <= size + 1
        assert end - first > 1 or sizes[group] == 1


class Features:
    """Features of clips that no file holds, one second each."""

    def get(self, clip, speed):
        del speed
        rng = np.random.default_rng(len(clip.corpus))
        return rng.standard_normal((150, 64)).astype(np.float16)


def training_set(clips, **fit):
    sections = (FeatureSettings(), AugmentSection(speeds=(1.0,)), FitSection(**fit))
    return TrainingSet(clips, [1.0] * len(clips), LABELS, *sections, Features())


def clips(path, corpora, label="happy"):
    return [Clip(path / f"{c}{n}", c, "s", label) for c, n in corpora]


def test_a_corpus_whose_clips_are_no_whole_number_of_batches_shares_none(tmp_path):
    own = [("one", n) for n in range(13)] + [("other", n) for n in range(9)]
    labelled = clips(tmp_path, own[:13], "happy") + clips(tmp_path, own[13:], "sad")
    found = training_set(labelled, by_corpus=True, batch_size=4)
    seen = 0
    for batch in found.batches(np.random.default_rng(1)):
        assert len({tuple(mask) for mask in batch.label_mask.tolist()}) == 1
        seen += len(batch.targets)
    assert seen == 22, "and every clip is drawn"


def test_a_corpus_of_one_clip_is_said_not_to_be_trained_on(tmp_path, caplog):
    own = clips(tmp_path, [("one", 0), ("one", 1), ("alone", 0)])
    with caplog.at_level(logging.WARNING):
        training_set(own, by_corpus=True)
    assert "alone has one clip, and a batch needs two" in caplog.text


class Told(Trainer):
    """A trainer whose network says the first label of everything."""

    given = ()

    def batches(self, epoch):
        del epoch
        yield from ((0, batch) for batch in self.given)

    def loss(self, batch, task):
        del task
        logits = torch.zeros(len(batch.targets), len(LABELS))
        logits[:, 0] = 1
        return self.network.weight.sum() * 0, logits


def told(run, *batches, epochs=1):
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    trainer = Told(network, optimizer, FitSection(epochs=epochs), seed=1, run=run)
    trainer.given = batches
    trainer.train()
    return [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]


def batch(*labels):
    targets = torch.zeros(len(labels), len(LABELS))
    for row, label in enumerate(labels):
        if label != UNLABELLED:
            targets[row, LABELS.index(label)] = 1
    return Batch(torch.zeros(len(labels), 4, 4), targets, torch.ones(len(labels)))


def test_unlabelled_examples_are_neither_right_nor_wrong(tmp_path):
    mixed = batch("neutral", "happy", UNLABELLED, UNLABELLED)
    assert told(tmp_path, mixed)[0]["accuracy"] == 0.5
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    assert told(nobody, batch(UNLABELLED, UNLABELLED))[0]["accuracy"] is None
    write_curves(nobody)
    assert "Loss" in (nobody / "curves.html").read_text()


def test_an_epoch_without_a_batch_is_said(tmp_path):
    with pytest.raises(UsageError, match="nothing to train on: a batch needs two clips"):
        told(tmp_path)


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValidationError, match="batch_size"):
        FitSection(batch_size=1)
    assert FitSection(batch_size=2).batch_size == 2


def test_a_pretrained_head_learns_alone_at_its_own_rate_or_is_refused():
    section = NetworkSection(
        channels=4, hidden=8, recurrent=4, pretrained="x", pretrained_head=True
    )
    network = DcRnn(section, 64, 3)
    with pytest.raises(UsageError, match=r"nothing is left to learn.*set fit\.head_lr_scale"):
        make_optimizer(FitSection(encoder_lr_scale=0), network)
    fit = FitSection(encoder_lr_scale=0, head_lr_scale=0.5)
    (group,) = make_optimizer(fit, network).param_groups
    assert group["lr"] == 0.5e-3
    set_trainable(fit, network, 0)
    learns = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learns == {f"head.{name}" for name, _ in network.head.named_parameters()}
    assert len(group["params"]) == len(list(itertools.chain(network.head.parameters())))
