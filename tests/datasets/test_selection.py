"""Feature selection finds what tells the label, and is not fooled by what it must not see."""

import csv
import json
import sys

import numpy as np
import pytest
from data_command import data
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_speech import dataset

pytest.importorskip("sklearn", reason="needs the extra data")

from livemood.datasets.selection import select as selection
from livemood.datasets.selection.candidates import Candidates, layers, prepared
from livemood.datasets.selection.select import METHODS, Split, number_kept, ranked, select, uar
from livemood.datasets.selection.table import verdicts
from livemood.errors import LivemoodError, UsageError

SPEAKERS, EACH = 8, 24
TELLING, LEAK = (4, 11), 7


def made(seed, columns=20, tells=1.5):
    """Items of 8 speakers: columns of noise, two of which tell the label, and one the speaker."""
    rng = np.random.default_rng(seed)
    labels = np.array(["angry", "happy", "sad"] * (SPEAKERS * EACH // 3))
    speakers = np.repeat([f"s{n}" for n in range(SPEAKERS)], EACH)
    values = rng.standard_normal((len(labels), columns))
    values[:, TELLING[0]] += tells * (labels == "angry")
    values[:, TELLING[1]] += tells * (labels == "sad")
    values[:, LEAK] = rng.standard_normal(SPEAKERS).repeat(EACH)
    names = tuple(f"column_{n}" for n in range(columns))
    return Candidates(names, np.arange(columns), values), labels, speakers


def splits_of(speakers, count=2):
    names = np.unique(speakers)
    return [Split(str(n), np.isin(speakers, names[n::count])) for n in range(count)]


def part_of(raw, labels, speakers):
    return prepared(raw, np.arange(len(labels)), labels, speakers)


def order_of(part, method, keep=2, seed=1):
    return ranked(*selection.scored(part, method, keep, seed), seed)


SLOW = ("gates", "l1-gates")
WITH_SLOW_GATES = [pytest.param(m, marks=pytest.mark.slow) if m in SLOW else m for m in METHODS]


def needs_torch(method):
    if "gates" in method:
        pytest.importorskip("torch", reason="gates need the extra train")


@pytest.mark.parametrize("method", METHODS)
def test_each_method_ranks_the_two_columns_that_tell_the_label_first(method):
    needs_torch(method)
    order = order_of(part_of(*made(1)), method)
    assert set(order[:2].tolist()) == set(TELLING)


@pytest.mark.slow
def test_a_column_that_tells_the_speaker_alone_is_kept_no_more_often_than_noise():
    shares = []
    for seed in range(1, 4):
        share, _ = selection.scores.stability(part_of(*made(seed)), 6, seed, draws=15)
        assert share[list(TELLING)].min() >= selection.scores.STABLE
        assert share[LEAK] < selection.scores.STABLE
        noise = [n for n in range(20) if n not in (*TELLING, LEAK)]
        shares.append((share[LEAK], share[noise].mean()))
    leak, noise = np.mean(shares, axis=0)
    assert 0 < noise < selection.scores.STABLE  # noise is kept at times: the comparison is one
    assert leak <= noise


def test_a_half_sample_has_all_items_of_half_of_the_speakers_and_no_other():
    part = part_of(*made(1))
    rng = np.random.default_rng(1)
    for _ in range(10):
        drawn = np.bincount(np.unique(part.speakers, return_inverse=True)[1][
            selection.scores._half(part, rng)
        ], minlength=SPEAKERS)  # fmt: skip
        assert sorted(drawn) == [0] * 4 + [EACH] * 4


@pytest.mark.parametrize("method", WITH_SLOW_GATES)
def test_columns_of_one_feature_are_chosen_together(method):
    needs_torch(method)
    raw, labels, speakers = made(3)
    pairs = Candidates(tuple(f"band_{n}" for n in range(10)), np.arange(20) // 2, raw.values)
    order = order_of(part_of(pairs, labels, speakers), method)
    assert set(order[:2].tolist()) == {n // 2 for n in TELLING}
    assert pairs.columns(order[:2]).tolist() == [4, 5, 10, 11]


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**16), st.floats(-50, 50))
def test_what_the_tested_speakers_say_changes_nothing_of_what_is_selected(seed, by):
    raw, labels, speakers = made(seed)
    split = splits_of(speakers)[:1]
    other = Candidates(raw.names, raw.group, raw.values.copy())
    other.values[split[0].test] = by * other.values[split[0].test][:, ::-1]
    one, two = (
        select(x, labels, speakers, split, ["mutual-information"], 3, 1) for x in (raw, other)
    )
    rankings = [x["methods"]["mutual-information"]["ranking"] for x in (one, two)]
    assert rankings[0] == rankings[1]
    assert one["all"] != two["all"] or by == 1


@pytest.mark.slow
def test_noise_selected_inside_the_folds_reads_by_chance_where_selecting_on_all_would_flatter():
    rng = np.random.default_rng(5)
    speakers = np.repeat([f"s{n}" for n in range(8)], 8)
    labels = np.array(["angry", "sad"] * 32)
    raw = Candidates(tuple(map(str, range(200))), np.arange(200), rng.standard_normal((64, 200)))
    parts = splits_of(speakers, 4)
    found = select(raw, labels, speakers, parts, ["stability"], 15, 1)
    honest = found["methods"]["stability"]["uar"]
    order = order_of(part_of(raw, labels, speakers), "stability", 15)
    flattered = np.mean([
        uar(raw.values[:, order[:15]], labels, np.flatnonzero(~p.test), np.flatnonzero(p.test))
        for p in parts
    ])  # fmt: skip
    assert honest < 65  # chance is 50, give or take 6
    assert flattered > honest + 10


def test_the_result_says_what_all_the_selected_and_random_ones_read():
    raw, labels, speakers = made(1)
    parts = splits_of(speakers)
    found = select(raw, labels, speakers, parts, ["mutual-information"], 2, 1)
    row = found["methods"]["mutual-information"]
    train, test = (np.flatnonzero(x) for x in (~parts[0].test, parts[0].test))
    assert found["all"]["folds"][0] == round(uar(raw.values, labels, train, test), 2)
    assert row["folds"][0] == round(uar(raw.values[:, TELLING], labels, train, test), 2)
    assert row["uar"] > found["random"]["uar"] + 10
    assert row["random_as_good"] <= 0.1
    assert row["gain"]["uar"] == pytest.approx(row["uar"] - found["all"]["uar"], abs=0.02)
    assert [r["rank"] for r in row["ranking"]] == list(range(1, 21))
    assert {r["feature"] for r in row["ranking"][:2]} == {f"column_{n}" for n in TELLING}
    assert [r["chosen"] for r in row["ranking"][:2]] == [2, 2]
    assert sum(r["chosen"] for r in row["ranking"]) == 2 * len(parts)


def test_a_seed_gives_the_same_result_again():
    raw, labels, speakers = made(1)
    given = raw, labels, speakers, splits_of(speakers)[:1], ["mutual-information"], 3
    assert select(*given, 1) == select(*given, 1)
    assert select(*given, 1)["random"] != select(*given, 2)["random"]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_scores_again(method):
    needs_torch(method)
    raw, labels, speakers = made(1)
    part = prepared(raw, np.arange(0, len(labels), 2), labels, speakers)
    one, two = (selection.scored(part, method, 3, 1) for _ in range(2))
    assert np.array_equal(one, two)


def test_gaps_and_constant_columns_are_no_hindrance():
    raw, labels, speakers = made(1)
    raw.values[::7, TELLING[0]] = np.nan
    raw.values[:, 0] = np.nan
    raw.values[:, 1] = 5.0
    part = part_of(raw, labels, speakers)
    assert np.isfinite(part.values).all()
    assert part.values.shape == (len(labels), 18)
    score, _ = selection.scored(part, "mutual-information", 2, 1)
    assert score[0] == score[1] == 0
    found = select(raw, labels, speakers, splits_of(speakers), ["mutual-information"], 2, 1)
    assert found["methods"]["mutual-information"]["uar"] > 60


def test_equal_scores_stand_in_a_drawn_order_and_not_in_that_of_the_table():
    equal = np.zeros(30)
    assert ranked(equal, equal, 1).tolist() != list(range(30))
    assert ranked(equal, equal, 1).tolist() == ranked(equal, equal, 1).tolist()
    assert ranked(np.array([0.5, 1.0, 0.5]), np.array([0.0, 0.0, 1.0]), 1).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("gain", "error", "folds", "said"),
    [
        (3.0, 1.0, 6, "it helps; better than 95%"),
        (-3.0, 1.0, 6, "it costs accuracy"),
        (2.5, 1.0, 6, "no clear difference"),
        (0.0, 0.0, 6, "no clear difference"),
        (8.3, 0.0, 2, "too few folds (2)"),
        (8.3, None, 1, "too few folds (1)"),
    ],
)
def test_that_selecting_helps_is_said_only_if_it_is_clear(gain, error, folds, said):
    row = {"gain": {"uar": gain, "error": error}, "folds": [0.0] * folds, "random_as_good": 0.05}
    assert said in verdicts({"methods": {"gates": row}})[0]


def test_layers_take_mean_and_deviation_of_their_own_width():
    found = layers((2, 3), np.zeros((4, 10)))
    assert found.names == ("layer_1", "layer_2")
    assert found.columns([1]).tolist() == [4, 5, 6, 7, 8, 9]
    with pytest.raises(ValueError, match="9 columns"):
        layers((2, 3), np.zeros((4, 9)))


def test_a_quarter_is_kept_if_nobody_says_how_many():
    assert number_kept(None, 40, "bands") == 10
    assert number_kept(None, 1, "bands") == 1
    assert number_kept(40, 40, "bands") == 40
    with pytest.raises(UsageError, match="--keep 41 is too many: there are 40 bands"):
        number_kept(41, 40, "bands")


def test_speakers_with_a_label_each_cannot_be_drawn_from():
    raw, _, speakers = made(1)
    few = np.isin(speakers, ["s0", "s1"])
    one_each = np.where(speakers == "s0", "angry", "sad")
    part = prepared(raw, np.flatnonzero(few), one_each, speakers)
    with pytest.raises(UsageError, match="one label only"):
        order_of(part, "stability")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Made speech of 4 voices, 3 labels; items of `sad` last longer."""
    return dataset(tmp_path_factory.mktemp("spoken") / "set", long="sad", each=2, speakers=4)


def test_the_command_finds_the_feature_that_was_planted(spoken, tmp_path):
    out = tmp_path / "out"
    given = "select", spoken, "--folds", "group:2", "--method", "mutual-information", "--keep", 4
    said = data(*given, "--out", out)
    found = json.loads((out / "selection.json").read_text())
    ranking = found["methods"]["mutual-information"]["ranking"]
    assert ranking[0]["feature"] == "duration_s"
    assert found["of"] == "functionals"
    assert found["keep"] == 4
    assert "log_mel_0_mean" not in {row["feature"] for row in ranking}
    page = (out / "selection.md").read_text("utf-8")
    assert "| 4 by mutual-information |" in said
    assert all(line in page for line in said.splitlines() if line.startswith("|"))
    assert "duration_s (2)" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "mutual"), "no method is called 'mutual': use mutual-information"),
        (("--of", "colours"), "'colours' cannot be selected: use functionals, bands, layers"),
        (("--of", "bands", "--keep", "41"), "--keep 41 is too many: there are 40 bands"),
        (("--of", "layers"), "--of layers and --encoder NAME go together"),
        (("--encoder", "byol-s-d512"), "--of layers and --encoder NAME go together"),
        (("--folds", "group:5"), "5 groups need 5 speakers: there are 4"),
        (("--folds", "sentences"), "no folds are called 'sentences'"),
        (("--folds", "group:2", "--map", "calm=sad"), "--map calm: no item has that label"),
        (
            ("--map", "angry=sad", "--map", "happy=-", "--folds", "group:2"),
            "two labels or more are needed: all items are 'sad'",
        ),
    ],
)
def test_what_cannot_be_selected_is_said_in_one_line(options, message, spoken, tmp_path):
    with pytest.raises(LivemoodError) as caught:
        data("select", spoken, "--out", tmp_path / "out", "--folds", "group:2", *options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_lack_of_torch_is_told_before_the_work(spoken, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "livemood.training.evaluation.gates", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(LivemoodError, match=r"needs torch: pip install 'livemood\[train\]'"):
        data("select", spoken, "-o", tmp_path / "out", "--folds", "group:2", "--method", "gates")


def few_of_ravdess(corpora, out):
    """A manifest of 48 clips: anger and sadness, strong, of all 24 actors."""
    table = corpora / "ravdess" / "metadata.csv"
    with table.open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["emotion"] in ("angry", "sad")]
    rows = [r | {"path": table.parent / r["path"]} for r in rows if r["intensity"] != "normal"]
    with out.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows[::4])
    return out


@pytest.mark.slow
@pytest.mark.corpora
@pytest.mark.parametrize("of", ["functionals", "bands"])
def test_anger_is_told_from_sadness_by_a_few_features(of, corpora, tmp_path):
    pytest.importorskip("torch", reason="gates need the extra train")
    few = few_of_ravdess(corpora, tmp_path / "few.csv")
    given = "--of", of, "--method", "all", "--folds", "group:2", "--keep", 5
    data("select", few, "--out", tmp_path / "out", *given)
    found = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert found["speakers"] == 24
    assert list(found["methods"]) == list(METHODS)
    above_chance = 50 + 2 * 50 / np.sqrt(found["items"])  # two standard errors
    assert all(row["uar"] > above_chance for row in found["methods"].values())
    assert all(row["folds"] and len(row["ranking"]) == found["features"]
               for row in found["methods"].values())  # fmt: skip


@pytest.mark.slow
@pytest.mark.corpora
def test_layers_of_a_pretrained_encoder_are_ranked(corpora, spoken, tmp_path):
    pytest.importorskip("torch", reason="layers need the extra train")
    folder = corpora.parent / "source-models"
    if not (folder / "byol-s-d512.safetensors").is_file():
        pytest.skip("needs the encoder byol-s-d512")
    given = "--of", "layers", "--encoder", "byol-s-d512", "--encoders", folder
    how = "--method", "l1-gates", "--folds", "group:2", "--keep", 1
    data("select", spoken, "--out", tmp_path / "out", *given, *how)
    found = json.loads((tmp_path / "out" / "selection.json").read_text())
    names = [row["feature"] for row in found["methods"]["l1-gates"]["ranking"]]
    assert found["features"] == len(names) > 1
    assert sorted(names) == [f"layer_{n + 1}" for n in range(len(names))]


def test_an_encoder_that_there_is_not_is_said_in_one_line(spoken, tmp_path):
    pytest.importorskip("torch", reason="layers need the extra train")
    given = "--of", "layers", "--encoder", "byol", "--encoders", tmp_path, "--folds", "group:2"
    with pytest.raises(LivemoodError, match="byol") as caught:
        data("select", spoken, "--out", tmp_path / "out", *given)
    assert "\n" not in str(caught.value)
