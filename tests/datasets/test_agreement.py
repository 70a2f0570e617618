"""Figures of agreement, beside those of independent implementations and of published tables."""

import csv
import gzip
import json
from itertools import combinations

import numpy as np
import pytest
from data_command import data

from livemood.datasets.agreement import dimensional, nominal
from livemood.datasets.agreement.dawid_skene import dawid_skene
from livemood.datasets.agreement.ratings import read_counts, read_ratings
from livemood.errors import LivemoodError

LETTERS = "ADFHNS"
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Ratings of six targets by four judges, of which Shrout and Fleiss (1979) print the ICCs."""


@pytest.fixture(scope="module")
def crema(corpora, tmp_path_factory):
    """Votes of CREMA-D from the voice alone, the face alone, and both: a table each."""
    folder = tmp_path_factory.mktemp("crema")
    with gzip.open(corpora / "crema-d-votes" / "tabulatedVotes.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    tables = {}
    for digit, modality in enumerate(("voice", "face", "both"), start=1):
        tables[modality] = folder / f"{modality}.csv"
        with tables[modality].open("w") as file:
            writer = csv.writer(file)
            writer.writerow(["clip", *LETTERS])
            for row in rows:
                if row[""].startswith(str(digit)):
                    writer.writerow([row["fileName"], *(row[x] for x in LETTERS)])
    return tables


def alpha_by_pairs(counts):
    """Krippendorff's alpha from its definition: disagreeing pairs within items and overall."""
    counts = counts[counts.sum(axis=1) >= 2]
    number = counts.sum(axis=1)
    observed = sum(
        counts[:, a] @ (counts[:, b] / (number - 1)) * 2
        for a, b in combinations(range(counts.shape[1]), 2)
    )
    total = counts.sum(axis=0)
    n = total.sum()
    expected = sum(total[a] * total[b] * 2 for a, b in combinations(range(len(total)), 2)) / (n - 1)
    return 1 - observed / expected


def kappa_by_hand(counts):
    """Fleiss' kappa, item by item and pair by pair of raters."""
    shares, agreed = [], []
    for row in counts.astype(int):
        said = [k for k, n in enumerate(row) for _ in range(n)]
        shares.append([said.count(k) / len(said) for k in range(len(row))])
        if len(said) > 1:
            pairs = list(combinations(said, 2))
            agreed.append(sum(a == b for a, b in pairs) / len(pairs))
    chance = sum(np.mean([s[k] for s in shares]) ** 2 for k in range(len(shares[0])))
    return (np.mean(agreed) - chance) / (1 - chance)


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("modality", "alpha", "kappa", "majority", "model"),
    [
        pytest.param("voice", 0.281, 0.279, 0.416, 0.520, marks=pytest.mark.slow),
        pytest.param("face", 0.458, 0.456, 0.663, 0.692, marks=pytest.mark.slow),
        pytest.param("both", 0.497, 0.494, 0.722, 0.762, marks=pytest.mark.slow),
    ],
)
def test_agreement_on_crema_d(modality, alpha, kappa, majority, model, crema, tmp_path):
    """The figures of the guide: of 7442 clips, how often votes are the emotion that was acted."""
    letters = ",".join(LETTERS)
    data("agree", crema[modality], "--counts", letters, "--item", "clip", "--out", tmp_path)
    figures = json.loads((tmp_path / "agreement.json").read_text())["labels"]
    counts = read_counts(crema[modality], list(LETTERS), "clip").votes.counts
    assert figures["krippendorff_alpha"] == pytest.approx(alpha_by_pairs(counts), abs=1e-6)
    assert figures["fleiss_kappa"] == pytest.approx(kappa_by_hand(counts), abs=1e-6)
    assert figures["krippendorff_alpha"] == pytest.approx(alpha, abs=6e-4)
    assert figures["fleiss_kappa"] == pytest.approx(kappa, abs=6e-4)
    with (tmp_path / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7442
    intended = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), LETTERS, strict=True))
    right = {
        way: np.mean([row[way] == intended[row["clip"].split("_")[2]] for row in rows])
        for way in ("majority", "dawid_skene")
    }
    assert right["majority"] == pytest.approx(majority, abs=6e-4)
    assert right["dawid_skene"] == pytest.approx(model, abs=6e-4)
    with (tmp_path / "adjudicate.csv").open() as file:
        doubtful = list(csv.DictReader(file))
    assert len(doubtful) == figures["to_adjudicate"]
    assert sum("tie" in row["reason"] for row in doubtful) == figures["ties"]


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """150 items rated by six people, who say what is true 9, 8, 7, 6, 5 and 2 times of 10."""
    rng = np.random.default_rng(3)
    truth = rng.choice(["angry", "happy", "sad"], 150, p=[0.5, 0.3, 0.2])
    table = tmp_path_factory.mktemp("rated") / "ratings.csv"
    with table.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "rater", "label", "valence"])
        for n, label in enumerate(truth):
            for who, skill in enumerate((0.9, 0.8, 0.7, 0.6, 0.5, 0.2)):
                if rng.random() < 0.15:
                    continue  # nobody rates everything
                said = label if rng.random() < skill else rng.choice(["angry", "happy", "sad"])
                valence = {"angry": -0.5, "happy": 0.6, "sad": -0.4}[label] * (1 if who < 5 else -1)
                writer.writerow([n, f"r{who}", said, round(valence + rng.normal(0, 0.2), 3)])
    return table, truth


@pytest.mark.slow
def test_dawid_skene_is_that_of_crowd_kit(rated):
    crowdkit = pytest.importorskip("crowdkit.aggregation", reason="needs the extra test")
    import pandas as pd

    votes = read_ratings(rated[0]).votes
    ours = dawid_skene(votes, tolerance=0, most=60)
    frame = pd.DataFrame(
        {
            "task": votes.item,
            "worker": votes.rater,
            "label": [votes.labels[label] for label in votes.label],
        }
    )
    theirs = crowdkit.DawidSkene(n_iter=60, tol=0).fit(frame)
    expected = theirs.probas_.sort_index()[list(votes.labels)].to_numpy()
    assert ours.probabilities == pytest.approx(expected, abs=1e-6)
    right = np.array(votes.labels)[ours.probabilities.argmax(axis=1)] == rated[1]
    most = nominal.majority(votes.counts)
    assert right.mean() > np.mean(np.array([*votes.labels, ""])[most] == rated[1])
    assert np.argsort(-ours.accuracies).tolist()[0] == 0
    assert np.argmin(ours.accuracies) == 5


def test_kappas_are_those_of_scikit_learn_and_statsmodels(rated):
    from sklearn.metrics import cohen_kappa_score

    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater", reason="extra test")
    rng = np.random.default_rng(5)
    counts = rng.multinomial(7, [0.5, 0.3, 0.2], 40).astype(float)
    assert nominal.fleiss_kappa(counts) == pytest.approx(
        inter_rater.fleiss_kappa(counts.astype(int)), abs=1e-9
    )
    votes = read_ratings(rated[0]).votes
    by_rater = [
        dict(zip(votes.item[votes.rater == r], votes.label[votes.rater == r], strict=True))
        for r in range(6)
    ]
    pairs = list(nominal.pairwise_kappas(votes))
    assert len(pairs) == 15
    for a, b, number, kappa in pairs:
        first, second = by_rater[int(a[1])], by_rater[int(b[1])]
        both = sorted(set(first) & set(second))
        assert number == len(both)
        expected = cohen_kappa_score([first[i] for i in both], [second[i] for i in both])
        assert kappa == pytest.approx(expected, abs=1e-9)


def test_iccs_are_those_of_shrout_and_fleiss_and_of_an_analysis_of_variance():
    found = dimensional.icc(SHROUT_FLEISS)
    printed = {
        "(1,1)": 0.17,
        "(2,1)": 0.29,
        "(3,1)": 0.71,
        "(1,k)": 0.44,
        "(2,k)": 0.62,
        "(3,k)": 0.91,
    }
    assert found == pytest.approx({f"ICC{k}": v for k, v in printed.items()}, abs=0.006)
    ols = pytest.importorskip("statsmodels.formula.api", reason="needs the extra test").ols
    import pandas as pd
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(2)
    values = rng.normal(size=(30, 1)) + rng.normal(size=(1, 5)) / 3 + rng.normal(size=(30, 5)) / 2
    item, rater = (axis.ravel() for axis in np.indices(values.shape))
    frame = pd.DataFrame({"y": values.ravel(), "item": item, "rater": rater})
    two = anova_lm(ols("y ~ C(item) + C(rater)", frame).fit())["mean_sq"]
    one = anova_lm(ols("y ~ C(item)", frame).fit())["mean_sq"]
    rows, judges, error, within = two.iloc[0], two.iloc[1], two.iloc[2], one.iloc[1]
    found = dimensional.icc(values)
    assert found["ICC(1,1)"] == pytest.approx((rows - within) / (rows + 4 * within), abs=1e-9)
    bias = 5 * (judges - error) / 30
    assert found["ICC(2,1)"] == pytest.approx((rows - error) / (rows + 4 * error + bias), abs=1e-9)
    assert found["ICC(3,k)"] == pytest.approx(1 - error / rows, abs=1e-9)


def test_who_runs_against_the_others_does_not_count(rated, tmp_path):
    said = data("agree", rated[0], "--out", tmp_path)
    assert "valence: ICC(1,1)" in said
    with (tmp_path / "raters.csv").open() as file:
        raters = {row["rater"]: row for row in csv.DictReader(file)}
    assert float(raters["r5"]["valence_weight"]) == 0
    assert float(raters["r0"]["valence_weight"]) > 0.8
    kappas = [float(raters[f"r{n}"]["kappa"]) for n in (0, 2, 5)]
    assert kappas == sorted(kappas, reverse=True)
    values = read_ratings(rated[0]).values["valence"]
    estimate = dimensional.evaluator_weighted(values)
    true = np.array([{"angry": -0.5, "happy": 0.6, "sad": -0.4}[x] for x in rated[1]])
    plain = np.nanmean(values, axis=1)
    there = np.isfinite(estimate)
    assert dimensional.ccc(estimate[there], true[there]) > dimensional.ccc(
        plain[there], true[there]
    )
    alpha = dimensional.alpha(SHROUT_FLEISS)
    pairs = [(a - b) ** 2 for row in SHROUT_FLEISS for a, b in combinations(row, 2)]
    every = [(a - b) ** 2 for a, b in combinations(SHROUT_FLEISS.ravel(), 2)]
    assert alpha == pytest.approx(1 - np.mean(pairs) / np.mean(every), abs=1e-6)


def test_alpha_of_numbers_is_that_of_the_library():
    krippendorff = pytest.importorskip("krippendorff", reason="needs the extra data")
    rng = np.random.default_rng(4)
    values = np.where(rng.random((30, 5)) < 0.5, np.nan, rng.normal(0, 1, (30, 5)).round(1))
    theirs = krippendorff.alpha(reliability_data=values.T, level_of_measurement="interval")
    assert dimensional.alpha(values) == pytest.approx(theirs, abs=1e-9)


def test_what_is_agreed_on_is_a_manifest_again(sounds, tmp_path):
    from livemood.datasets.manifest import read_items

    (tmp_path / "r.csv").write_text(
        "path,start,end,speaker,rater,label\n"
        + "".join(
            f"{sounds}/one.wav,0.5,1.5,ann,{who},{said}\n" for who, said in ("as", "bs", "ch")
        )
        + "".join(f"{sounds}/two.flac,,,bob,{who},{said}\n" for who, said in ("as", "bh"))
    )
    data("agree", tmp_path / "r.csv", "--out", tmp_path / "out")
    items = read_items(tmp_path / "out" / "labels.csv")
    assert next((i.path.name, i.speaker, i.label, i.start) for i in items) == (
        "one.wav",
        "ann",
        "s",
        0.5,
    )
    with (tmp_path / "out" / "adjudicate.csv").open() as file:
        assert [row["reason"].split(",")[0] for row in csv.DictReader(file)] == ["a tie"]


@pytest.mark.parametrize(
    ("table", "arguments", "said"),
    [
        ("item,rater,label\n1,a,x\n1,a,y\n", [], "row 3: a rated 1 in row 2 already"),
        ("item,label\n1,x\n", [], "no column rater"),
        ("item,rater,mood\n1,a,x\n", [], "what was rated"),
        ("name,rater,label\n1,a,x\n", [], "no column item or path"),
        ("item,rater,valence\n1,a,high\n", [], "row 2: valence must be a number, not 'high'"),
        ("item,rater,label\n1,a,x\n2,b,x\n", [], "no item was rated by two"),
        ("item,A,B\n1,2,half\n", ["--counts", "A,B"], "row 2: B must be a number"),
        ("item,A,B\n1,2,-1\n", ["--counts", "A,B"], "row 2: B must be a number of votes"),
        ("item,A,B\n1,2,1\n1,2,1\n", ["--counts", "A,B"], "'1' stands there twice"),
        ("item,A,B\n1,2,1\n", ["--counts", "A,C"], "no column C"),
        ("item,A,B\n1,2,1\n", ["--counts", "A,B", "--item", "x"], "no column 'x'"),
    ],
)
def test_a_wrong_table_is_answered_in_one_line(table, arguments, said, tmp_path):
    (tmp_path / "r.csv").write_text(table)
    with pytest.raises(LivemoodError, match=said) as caught:
        data("agree", tmp_path / "r.csv", "--out", tmp_path / "out", *arguments)
    assert "\n" not in str(caught.value)
