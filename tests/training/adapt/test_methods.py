"""Each method on a small made problem, on which it must beat no adaptation."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")


from livemood.training.adapt.boosting import boosted_weights  # noqa: E402
from livemood.training.adapt.contrastive import contrastive_loss  # noqa: E402
from livemood.training.adapt.correlation import coral_loss, coral_map, covariance  # noqa: E402
from livemood.training.adapt.density_ratio import importance_weights, principal  # noqa: E402
from livemood.training.adapt.gradient_reversal import (  # noqa: E402
    DomainClassifier,
    ramp,
    reversed_gradient,
)
from livemood.training.adapt.label_space import label_shares  # noqa: E402
from livemood.training.adapt.masked_prediction import MaskedPrediction, hidden  # noqa: E402
from livemood.training.adapt.mean_discrepancy import mmd_loss  # noqa: E402
from livemood.training.adapt.probe import probe_accuracy  # noqa: E402
from livemood.training.adapt.pseudo_labels import confident  # noqa: E402


def test_importance_weights_help_a_model_that_is_too_simple_under_covariate_shift():
    """The boundary bends: a line fits the target only where the target is (Shimodaira 2000)."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)

    def drawn(centre):
        x = rng.normal(centre, 1.0, (600, 2))
        return x, (x[:, 1] > 0.5 * x[:, 0] ** 2 - 1).astype(int)

    (source, labels), (target, wanted) = drawn((-1, 0)), drawn((1.2, 0))
    weights = importance_weights(source, target, 20.0)
    assert weights.mean() == pytest.approx(1)
    plain = LogisticRegression().fit(source, labels).score(target, wanted)
    weighed = LogisticRegression().fit(source, labels, weights).score(target, wanted)
    assert weighed > plain + 0.1


def test_importance_weights_are_clipped_and_even_without_a_shift():
    rng = np.random.default_rng(2)
    far = importance_weights(rng.normal(0, 1, (200, 3)), rng.normal(4, 1, (50, 3)), 3.0)
    assert far.max() / far.min() <= 9.01
    same = importance_weights(rng.normal(0, 1, (400, 3)), rng.normal(0, 1, (400, 3)))
    assert same.std() < 0.4
    with pytest.raises(ValueError, match="clips of both domains"):
        importance_weights(np.zeros((4, 3)), np.zeros((0, 3)))


def test_principal_components_are_of_both_domains():
    rng = np.random.default_rng(3)
    here, there = principal(rng.normal(size=(30, 9)), rng.normal(size=(20, 9)), 4)
    assert here.shape == (30, 4)
    assert there.shape == (20, 4)
    both = np.concatenate((here, there))
    assert np.allclose(np.cov(both.T), np.eye(4), atol=0.05)


def test_boosting_drops_clips_that_contradict_the_target():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(4)
    here = rng.normal(size=(400, 2))
    there, held = rng.normal(size=(24, 2)), rng.normal(size=(500, 2))
    truth = (here[:, 0] > 0).astype(int)
    wrong = rng.random(400) < 0.55  # in most of the source the label goes by the other value
    truth[wrong] = (here[wrong, 1] < 0).astype(int)
    few, wanted = (there[:, 0] > 0).astype(int), (held[:, 0] > 0).astype(int)
    ours, theirs = boosted_weights((here, truth), (there, few), 10)
    assert np.concatenate((ours, theirs)).mean() == pytest.approx(1)
    rows, labels = np.concatenate((here, there)), np.concatenate((truth, few))
    plain = LogisticRegression().fit(rows, labels).score(held, wanted)
    boosted = LogisticRegression().fit(rows, labels, np.r_[ours, theirs]).score(held, wanted)
    assert boosted > plain + 0.1
    with pytest.raises(ValueError, match="labelled clips of the source and of the target"):
        boosted_weights((here, truth), (there[:0], few[:0]))


def test_coral_undoes_a_change_of_scale_and_of_place():
    from sklearn.linear_model import LogisticRegression

    torch.manual_seed(5)
    mixing = torch.tensor([[3.0, 1.0], [0.0, 0.5]])
    source, target = torch.randn(500, 2), torch.randn(500, 2) @ mixing + 4
    labels, wanted = (source[:, 1] > 0), ((target - 4) @ mixing.inverse())[:, 1] > 0
    matrix, mean, place = coral_map(source, target, 1e-3)
    moved = (source - mean) @ matrix + place
    assert torch.allclose(covariance(moved), covariance(target), rtol=0.05, atol=0.05)
    plain = LogisticRegression().fit(source, labels).score(target, wanted)
    aligned = LogisticRegression().fit(moved, labels).score(target, wanted)
    assert aligned > plain + 0.2
    with pytest.raises(ValueError, match="two examples of each domain"):
        coral_map(source[:1], target)


@pytest.mark.parametrize("apart", [coral_loss, mmd_loss])
def test_distances_of_domains_grow_with_a_shift_and_fall_along_their_gradient(apart):
    torch.manual_seed(6)
    here, same, there = torch.randn(150, 4), torch.randn(150, 4), torch.randn(150, 4) * 2 + 1
    assert abs(float(apart(here, same))) < 0.1 * float(apart(here, there))
    moved = here.clone().requires_grad_()
    before = apart(moved, there)
    before.backward()
    assert float(apart(moved.detach() - 20 * moved.grad, there)) < float(before.detach())


def test_mean_discrepancy_refuses_a_single_example():
    with pytest.raises(ValueError, match="two examples of each domain"):
        mmd_loss(torch.zeros(1, 3), torch.zeros(5, 3))


def test_the_gradient_is_reversed_and_the_value_is_not():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    out = reversed_gradient(x, 0.5)
    assert torch.equal(out, x)
    (out * torch.tensor([3.0, 4.0])).sum().backward()
    assert torch.equal(x.grad, torch.tensor([-1.5, -2.0]))
    assert ramp(0) == 0
    assert ramp(0.2) < ramp(0.5) < ramp(1) < 1


@pytest.mark.slow
def test_gradient_reversal_hides_the_domain_from_a_probe():
    """Speakers differ in many values: a classifier could know them, and not the domain."""
    torch.manual_seed(7)
    speakers, each, width = 24, 20, 40
    who = torch.arange(speakers).repeat_interleave(each)
    domain, label = who % 2, torch.randint(2, (speakers * each,))
    x = torch.randn(len(who), width) + torch.randn(speakers, width)[who]
    x[:, 0] += 4 * label
    x[:, 1] += 4 * domain

    def learnt(weight):
        torch.manual_seed(1)
        features, output = torch.nn.Linear(width, 16), torch.nn.Linear(16, 2)
        judge = DomainClassifier(16, 2)
        optimizer = torch.optim.Adam([*features.parameters(), *output.parameters()], 0.01)
        for _ in range(120):
            rows = torch.randint(len(x), (128,))
            z = features(x[rows])
            loss = torch.nn.functional.cross_entropy(output(z), label[rows])
            loss = loss + judge(z, domain[rows], weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        values = features(x).detach().double().numpy()
        right = (output(features(x)).argmax(1) == label).float().mean()
        return probe_accuracy(values, domain.numpy(), who.numpy()), float(right)

    (plain, _), (hidden, right) = learnt(0.0), learnt(3.0)
    assert plain > 70
    assert hidden < plain - 20
    assert right > 0.85


def test_the_classifier_of_domains_weighs_them_alike_and_learns_by_itself_alone():
    torch.manual_seed(9)
    judge = DomainClassifier(3, 2)
    x = torch.randn(200, 3)
    rare = (torch.arange(200) % 10 == 0).long()  # one in ten
    x[:, 0] += 3 * rare
    for _ in range(40):
        judge(x, rare, 1.0)
    given = x.clone().requires_grad_()
    lost = judge(given, rare, 0.5)
    lost.backward()
    assert all(p.grad is None for p in judge.parameters())
    of_each = torch.nn.functional.cross_entropy(judge.layer(x), rare, reduction="none")
    assert lost.item() == pytest.approx(
        float(of_each[rare == 0].mean() + of_each[rare == 1].mean()) / 2
    )
    found = judge.layer(x).argmax(1)
    assert min((found[rare == n] == n).float().mean() for n in (0, 1)) > 0.7


def test_a_probe_needs_two_domains():
    with pytest.raises(ValueError, match="two domains"):
        probe_accuracy(np.zeros((8, 2)), np.zeros(8, int), np.arange(8))


def test_what_is_not_sure_gets_no_pseudo_label_and_labels_count_the_same():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.95, 0.05], [0.1, 0.9], [0.5, 0.5]])
    rows, labels, weights = confident(probabilities, 0.75)
    assert rows.tolist() == [0, 1, 2, 3]
    assert labels.tolist() == [0, 0, 0, 1]
    assert float(weights[3]) == pytest.approx(float(weights[:3].sum()))
    assert float(weights.mean()) == pytest.approx(1)
    assert not len(confident(probabilities, 0.99)[0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        confident(probabilities, 1.0)


def test_contrastive_learning_makes_labels_easier_to_tell_from_few_examples():
    torch.manual_seed(8)
    x, label = torch.randn(300, 10), torch.randint(3, (300,))
    x[:, 0] += 2.5 * (label == 1)
    x[:, 1] += 2.5 * (label == 2)
    layer = torch.nn.Linear(10, 4)
    few = slice(0, 15)

    def near():
        """How often the nearest of a few known examples has the same label."""
        with torch.no_grad():
            unit = torch.nn.functional.normalize(layer(x), dim=1)
        return float(
            (label[few][(unit[150:] @ unit[few].T).argmax(1)] == label[150:]).float().mean()
        )

    before = near()
    optimizer = torch.optim.Adam(layer.parameters(), 0.02)
    for _ in range(100):
        optimizer.zero_grad()
        contrastive_loss(layer(x[:150]), label[:150], 0.2).backward()
        optimizer.step()
    assert near() > before + 0.1
    assert float(contrastive_loss(x[:2], torch.tensor([0, 1]))) == 0
    with pytest.raises(ValueError, match="temperature must be positive"):
        contrastive_loss(x, label, 0.0)


def test_hidden_values_are_told_from_those_they_follow():
    torch.manual_seed(10)
    present = torch.ones(64, 6, dtype=torch.bool)
    present[:, 4:] = False
    present[0, 1:] = False  # one step alone: it stays
    x = torch.randn(64, 6, 2).repeat(1, 1, 4)  # each value is there four times
    mask = hidden(present, 8)
    assert not mask[:, 4:].any()
    assert not mask[0, 0].all()
    assert 0.25 < mask[1:, :4].float().mean() < 0.6
    assert (mask[1:, :4].all(2).float().mean() > 0.05).item()  # whole steps are hidden
    layer, told = torch.nn.Linear(8, 16), MaskedPrediction(16, 8)
    optimizer = torch.optim.Adam([*layer.parameters(), *told.parameters()], 0.02)
    losses = []
    for _ in range(150):
        mask = hidden(present, 8)
        loss = told(layer(x.masked_fill(mask, 0.0)), x, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.9
    assert np.mean(losses[-20:]) < 0.75
    assert told(layer(x), x, torch.zeros_like(mask)).item() == 0


def test_foreign_labels_are_shared_among_those_near_in_valence_and_arousal():
    wanted = ("neutral", "happy", "sad", "angry", "fear")
    places = {"bored": (-0.3, -0.3), "furious": (-0.5, 0.7)}
    shares = label_shares(("sad", "calm", "bored", "furious"), wanted, places)
    assert np.allclose(shares.sum(1), 1)
    assert shares[0].tolist() == [0, 0, 1, 0, 0]
    assert wanted[shares[1].argmax()] == "neutral"
    assert {wanted[n] for n in np.argsort(shares[2])[-2:]} == {"neutral", "sad"}
    assert {wanted[n] for n in np.argsort(shares[3])[-2:]} == {"angry", "fear"}
    with pytest.raises(ValueError, match="'smug' has no valence and arousal"):
        label_shares(("smug",), wanted)
