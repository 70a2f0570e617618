"""`livemood evaluate`, as it is called."""

import csv
import json

import pytest

pytest.importorskip("safetensors", reason="needs the extra train")

from livemood.cli.main import app as run
from livemood.errors import UsageError

LABELS = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]


@pytest.fixture(scope="module")
def manifest(corpora, tmp_path_factory):
    """A few clips of four speakers, with labels of RAVDESS."""
    table = tmp_path_factory.mktemp("evaluate") / "few.csv"
    with (corpora / "ravdess" / "metadata.csv").open(newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if r["speaker"][-2:] in ("01", "11", "20", "21")]
    with table.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["path", "speaker", "label", "gender", "fold"])
        for row in rows[::8]:
            path = corpora / "ravdess" / row["path"]
            fold = int(row["speaker"][-2:]) % 2
            writer.writerow([path, row["speaker"], row["emotion"], row["gender"], fold])
    return table


def call(*arguments):
    with pytest.raises(SystemExit) as end:
        run(["evaluate", *map(str, arguments)])
    return end.value.code


@pytest.mark.slow
def test_it_leaves_json_a_report_and_predictions(manifest, corpora, tmp_path, capsys):
    out = tmp_path / "out"
    code = call(
        *("--manifest", manifest, "--map", "calm=neutral", "--folds", "column", "--out", out),
        *("--condition", "clean", "--condition", "mulaw+loss=5"),
    )
    assert code == 0
    found = json.loads((out / "evaluation.json").read_text())
    assert found["labels"] == LABELS
    assert set(found["conditions"]) == {"clean", "mulaw+loss=5"}
    clean = found["conditions"]["clean"]
    assert set(clean["folds"]) == {"0", "1"}
    assert clean["overall"]["clips"] == sum(v["clips"] for v in clean["folds"].values()) == 30
    assert clean["overall"]["speakers"] == 4
    with (out / "predictions.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 60
    right = sum(r["label"] == r["predicted"] for r in rows if r["condition"] == "clean")
    assert clean["overall"]["accuracy"] == pytest.approx(100 * right / 30, abs=0.01)
    assert clean["overall"]["accuracy"] > 30  # it knows better than to guess one of seven
    assert "Plotly.newPlot" in (out / "report.html").read_text("utf-8")
    assert "UAR" in capsys.readouterr().out


@pytest.mark.slow
def test_an_attack_costs_more_than_random_signs_of_the_same_power(manifest, tmp_path, capsys):
    pytest.importorskip("torch", reason="needs the extra train")
    out = tmp_path / "out"
    code = call(
        *("--manifest", manifest, "--map", "calm=neutral", "--model", "small", "--out", out),
        *("--speakers", "ravdess-01", "--attack", "fgsm", "--attack-snr", "20,40"),
    )
    assert code == 0
    found = json.loads((out / "evaluation.json").read_text())["attack"]
    assert [row["snr_db"] for row in found["curve"]] == [40, 20]
    assert found["clean"]["accuracy"] > 30
    worst = found["curve"][-1]
    assert worst["accuracy"] < worst["random"]["accuracy"]
    assert "Under attack: fgsm on sound" in (out / "report.html").read_text("utf-8")
    assert "20.0 dB below" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(1800)  # explanations take seconds a clip
def test_the_bands_that_a_label_hangs_on_cost_more_than_random_ones(manifest, tmp_path, capsys):
    pytest.importorskip("captum", reason="needs the extra train")
    out = tmp_path / "out"
    code = call(
        *("--manifest", manifest, "--map", "calm=neutral", "--model", "small", "--out", out),
        *("--explain", "integrated-gradients,shap", "--speakers", "ravdess-01,ravdess-20"),
    )
    assert code == 0
    found = json.loads((out / "evaluation.json").read_text())["explanation"]
    kept = {
        name: sum(row[name]["same_label"] for row in found["deletion"])
        for name in ("integrated-gradients", "shap", "random")
    }
    assert max(kept["integrated-gradients"], kept["shap"]) < kept["random"]
    assert "shown" not in found
    assert "Which bands labels hang on" in (out / "report.html").read_text("utf-8")
    assert ", shap " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--map", "calm=-", "--explain", "magic"], "no explanation is called 'magic'"),
        (["--map", "calm=-", "--explain", "shap,magic"], "no explanation is called 'magic'"),
        (
            ["--map", "calm=-", "--explain", "occlusion", "--folds", "column"],
            "an explanation is of one model",
        ),
        (["--map", "calm=-", "--attack", "magic"], "no attack is called 'magic': use fgsm or pgd"),
        (["--map", "calm=-", "--attack", "pgd", "--attack-on", "text"], "use sound or features"),
        (["--map", "calm=-", "--attack", "pgd", "--attack-snr", "loud"], "numbers of dB"),
        (["--map", "calm=-", "--attack", "pgd", "--folds", "column"], "an attack is on one model"),
        ([], "unknown label 'calm': map it"),
        (["--map", "calm"], "NAME=VALUE"),
        (["--map", "calm=-", "--folds", "nine"], "no folds"),
        (["--map", "calm=-", "--speakers", "nobody"], "nobody"),
        (["--map", "calm=-", "--condition", "noise=10"], "--noise"),
        (["--map", "calm=-", "--model", "runs/fold{fold}"], "--folds"),
        (["--map", "calm=-", "--streaming", "--smoothing", "dwell_s=-1"], "dwell_s"),
        (["--map", "calm=-", "--streaming", "--smoothing", "dwel=1"], "dwel"),
    ],
)
def test_what_cannot_be_measured_is_refused(manifest, tmp_path, arguments, says):
    with pytest.raises(UsageError, match=says):
        run(["evaluate", "--manifest", str(manifest), "--out", str(tmp_path / "o"), *arguments])
    assert not (tmp_path / "o").exists()
