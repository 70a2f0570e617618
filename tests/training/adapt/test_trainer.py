"""Adaptation through the trainer that `livemood train` uses, on made steps of an encoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

from livemood.errors import UsageError  # noqa: E402
from livemood.training.adapt.trainer import TRAINED_WITH, AdaptedVoiceTrainer  # noqa: E402
from livemood.training.data.clips import Clip  # noqa: E402
from livemood.training.evaluation.perturbation import fgsm  # noqa: E402
from livemood.training.fit.frozen_steps import StepSet  # noqa: E402
from livemood.training.fit.voice_trainer import Target, VoiceData, statistics_of  # noqa: E402
from livemood.training.network.streaming_encoder import VoiceHead  # noqa: E402
from livemood.training.recipe.adapt import AdaptSection  # noqa: E402
from livemood.training.recipe.sections import FitSection  # noqa: E402
from livemood.training.recipe.voices import VoicesSection  # noqa: E402

LABELS = ("neutral", "happy", "sad")
STEPS, WIDTH, COUNT = 3, 8, 180
FIT = FitSection(epochs=8, batch_size=60, learning_rate=1e-2, ema_decay=0.8, label_smoothing=0.0)
VOICES = VoicesSection(baseline_share=0, spread=0, neutral_share=1)


def made(corpus, seed, move=0.0, language="xx", labels=LABELS):
    """Clips of a corpus and their steps: labels lie on a simplex, which `move` shifts."""
    rng = np.random.default_rng(seed)
    which = np.arange(COUNT) % len(labels)
    x = rng.normal(0, 0.7, (COUNT, STEPS, WIDTH))
    x[np.arange(COUNT), :, which] += 2.0
    x[:, :, 0] += move  # neutral, as it seems
    x[:, :, 1] -= move
    x[:, :, 5] += 2 * move
    clips = [
        Clip(Path(f"{n}"), corpus, f"{corpus}-{n % 6}", labels[k], language=language)
        for n, k in enumerate(which)
    ]
    starts = torch.arange(COUNT)[None] * STEPS
    lengths = torch.full((1, COUNT), STEPS)
    steps = [torch.from_numpy(x.reshape(-1, WIDTH)).half()]
    return clips, StepSet(steps, starts, lengths)


def joined(*parts):
    clips = [clip for own, _ in parts for clip in own]
    steps = torch.cat([own.steps[0] for _, own in parts])
    count = len(clips)
    sets = StepSet([steps], torch.arange(count)[None] * STEPS, torch.full((1, count), STEPS))
    return clips, sets


def trainer(run, source, target=None, fit=FIT, **adapt):
    run.mkdir(exist_ok=True)
    torch.manual_seed(1)
    head = VoiceHead(WIDTH, len(LABELS), 0.0, 12, 6)
    clips, steps = source
    names = ("target",) if target or adapt.get("method") == "boosting" else ()
    return AdaptedVoiceTrainer(
        head,
        VoiceData(clips, [1.0] * len(clips), steps),
        LABELS,
        fit,
        VOICES,
        0.0,
        adapt=AdaptSection.model_validate({"target": names, **adapt}),
        target=Target(*target) if target else None,
        longest=12,
        seed=1,
        run=run,
    )


def right(head, clips, steps):
    """Share of clips that are read right."""
    with torch.no_grad():
        logits = head.logits(statistics_of(head, steps, torch.arange(len(clips)), 12))
    truth = torch.tensor([LABELS.index(clip.label) for clip in clips])
    return float((logits.argmax(1) == truth).float().mean())


@pytest.fixture(scope="module")
def domains():
    source = joined(made("a", 1), made("b", 2, 0.3))
    return source, made("target", 3, 1.6), made("target", 4, 1.6)


@pytest.fixture(scope="module")
def plain(domains, tmp_path_factory):
    source, _, tested = domains
    return right(trainer(tmp_path_factory.mktemp("plain"), source).train(), *tested)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("coral", {}),
        ("deep-coral", {"weight": 1.0}),
        ("mmd", {"weight": 3.0}),
        ("target-statistics", {}),
    ],
)
def test_an_adapted_head_reads_shifted_speech_better(domains, plain, method, options, tmp_path):
    source, given, tested = domains
    made_by = trainer(tmp_path, source, given, method=method, **options)
    head = made_by.train()
    assert right(head, *tested) > plain + 0.1
    assert not {*TRAINED_WITH} & {name for name, _ in head.named_children()}


def test_self_training_sharpens_what_is_mostly_right(domains, tmp_path):
    source, *_ = domains
    given, tested = made("target", 3, 1.2), made("target", 4, 1.2)
    plain = right(trainer(tmp_path / "plain", source).train(), *tested)
    options = {"method": "self-training", "weight": 2.0, "confidence": 0.5}
    assert (
        right(trainer(tmp_path / "self", source, given, **options).train(), *tested) > plain + 0.03
    )


def test_unlearning_the_corpus_takes_a_shortcut_away(tmp_path):
    """Each corpus lacks a label and sounds its own way: the sound of a corpus tells its labels."""

    def sounding(part, sign):
        part[1].steps[0].view(COUNT, STEPS, WIDTH)[..., 6] += 2.0 * sign
        return part

    upper, lower = (made(name, n, labels=LABELS[:2]) for n, name in ((1, "a"), (2, "b")))
    turned = lower[1].steps[0][:, [2, 0, 1, 3, 4, 5, 6, 7]]
    clips = [replace(clip, label=LABELS[LABELS.index(clip.label) + 1]) for clip in lower[0]]
    lower = clips, replace(lower[1], steps=[turned])
    source = joined(sounding(upper, 1), sounding(lower, -1))
    either = torch.where(torch.arange(COUNT) // 3 % 2 == 0, 1.0, -1.0)[:, None]
    tested = sounding(made("target", 4), either)
    more = {"fit": FIT.model_copy(update={"masked_label_weight": 1.0})}
    plain = right(trainer(tmp_path / "plain", source, **more).train(), *tested)
    adversarial = trainer(tmp_path / "adv", source, method="adversarial", **more)
    assert right(adversarial.train(), *tested) > plain + 0.05


def test_boosting_and_importance_weigh_clips_in_the_loss(tmp_path):
    wrong = made("a", 1, labels=LABELS[::-1])  # another simplex: labels go by other values
    few, tested = made("target", 3), made("target", 4)
    few = joined((few[0][:24], StepSet([few[1].steps[0][: 24 * STEPS]], None, None)))
    source = joined(wrong, few)
    plain = right(trainer(tmp_path / "p", source).train(), *tested)
    boosting = trainer(tmp_path / "b", source, method="boosting", rounds=10)
    assert boosting.weights[-24:].mean() > 2 * boosting.weights[:-24].mean()
    assert right(boosting.train(), *tested) > plain + 0.1
    near = joined(made("a", 1), made("b", 2, 1.6))
    weights = trainer(tmp_path / "i", near, made("target", 3, 1.6), method="importance").weights
    assert weights[COUNT:].mean() > 2 * weights[:COUNT].mean()


def test_contrastive_adversarial_and_masked_training_do_without_a_target(domains, tmp_path):
    source, *_ = domains
    for name, more in (
        ("contrastive", {}),
        ("adversarial", {"over": "speaker"}),
        ("pretraining", {"weight": 1.0}),
    ):
        head = trainer(tmp_path / name, source, method=name, **more).train()
        assert right(head, *source) > 0.8
        assert not {*TRAINED_WITH} & {name for name, _ in head.named_children()}


@pytest.mark.slow
def test_a_run_that_was_cut_short_goes_on_to_the_same_weights(domains, tmp_path):
    source, given, _ = domains
    options = {"method": "adversarial", "weight": 1.0}
    whole = trainer(tmp_path / "whole", source, given, **options).train()

    def stop(row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    first = trainer(tmp_path / "parts", source, given, **options)
    first.report = stop
    with pytest.raises(KeyboardInterrupt):
        first.train()
    again = trainer(tmp_path / "parts", source, given, **options).train()
    for one, two in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("option", ["adversarial_weight", "virtual_adversarial_weight"])
def test_adversarial_training_makes_a_head_harder_to_mislead(option, tmp_path):
    known, (clips, steps) = made("a", 1), made("a", 2)
    truth = torch.tensor([LABELS.index(clip.label) for clip in clips])
    x, present = steps.cut(torch.arange(COUNT), 12)

    def misled(fit, run):
        """Share of clips that are read wrong under attack, and clean."""
        head = trainer(run, known, fit=fit).train()

        def logits(x):
            return head.logits(head.pool(head.steps(x)[0], present))

        def lost(x):
            return torch.nn.functional.cross_entropy(logits(x), truth, reduction="none")

        moved = fgsm(lost, x, 0.5 / head.input_scale)
        return [float((logits(v).argmax(1) != truth).float().mean()) for v in (moved, x)]

    before, _ = misled(FIT, tmp_path / "plain")
    more = {option: 1.0, "perturbation": 0.5}
    after, clean = misled(FIT.model_copy(update=more), tmp_path / "robust")
    assert after < before - 0.1
    assert clean < 0.1


def test_what_does_not_fit_is_told(domains, tmp_path):
    source, *_ = domains
    silent = made("a", 1, language="")
    with pytest.raises(UsageError, match="fill the column"):
        trainer(tmp_path, silent, method="adversarial", over="language")
    with pytest.raises(UsageError, match="two of them: there is only a"):
        trainer(tmp_path, made("a", 1), method="adversarial")
    with pytest.raises(UsageError, match="must be some of the corpora that are trained on"):
        trainer(tmp_path, source, method="boosting")
