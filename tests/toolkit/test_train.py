"""`livemood train` and its runs, as they are called; killed at any moment, they go on."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

import csv  # noqa: E402

from livemood.cli.main import app as run  # noqa: E402
from livemood.errors import UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.training.evaluation.precision import choose_precision  # noqa: E402
from livemood.training.recipe.schema import read_recipe  # noqa: E402
from livemood.training.run_folder import begin_run  # noqa: E402

RECIPE = """
name = "tiny"
seed = 3
labels = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]
licence = "CC BY-NC-SA 4.0"

[label_map]
calm = "neutral"

[[corpora]]
name = "few"
licence = "CC BY-NC-SA 4.0"
reference = "Livingstone & Russo 2018"
held_out = ["ravdess-01", "ravdess-02"]

[network]
channels = 4
hidden = 8
recurrent = 4

[augment]
speeds = [1.0]

[fit]
epochs = EPOCHS
batch_size = 8
validation_share = 0.2
"""


@pytest.fixture(scope="module")
def few(corpora, tmp_path_factory):
    """A corpus of a few clips of eight speakers, and the recipe."""
    folder = tmp_path_factory.mktemp("train")
    (folder / "few").mkdir()
    with (corpora / "ravdess" / "metadata.csv").open(newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if int(r["speaker"][-2:]) <= 8]
    with (folder / "few" / "metadata.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["path", "speaker", "label", "gender"])
        for row in rows[::8]:
            path = corpora / "ravdess" / row["path"]
            writer.writerow([path, row["speaker"], row["emotion"], row["gender"]])
    (folder / "tiny.toml").write_text(RECIPE.replace("EPOCHS", "2"))
    (folder / "long.toml").write_text(RECIPE.replace("EPOCHS", "24"))
    return folder


def call(few, out, *more, recipe="tiny.toml"):
    arguments = ["train", str(few / recipe), "--corpora", str(few), "--out", str(out)]
    with pytest.raises(SystemExit) as end:
        run([*arguments, "--cache", str(few / "cache"), "--device", "cpu", *more])
    return end.value.code


@pytest.mark.slow
def test_a_run_leaves_all_that_one_needs(few, tmp_path, capsys):
    out = tmp_path / "run"
    assert call(few, out) == 0
    figures = json.loads((out / "figures.json").read_text())
    assert figures["measured_on"] == "held-out"
    assert set(figures["models"]) == {"float32", "int8"}
    assert json.loads((out / "recipe.json").read_text())["seed"] == 3
    assert set(json.loads((out / "versions.json").read_text())) > {"torch", "livemood", "device"}
    curve = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in curve] == [1, 2]
    assert all("validation_uar" in row for row in curve)
    assert "Plotly.newPlot" in (out / "curves.html").read_text("utf-8")
    model = load_model(out / "model", "cpu")
    assert model.manifest.precision == figures["choice"]["chosen"]
    assert model.manifest.temperature == figures["models"][model.manifest.precision]["temperature"]
    assert model.manifest.trained_on[0].reference.startswith("Livingstone")
    card = (out / "model" / "card.md").read_text("utf-8")
    assert "ravdess-01, ravdess-02" in card
    assert f"seed {figures.get('seed', 3)}" in card.lower()
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert f"| all | {evaluation['overall']['clips']} | 2 |" in card
    assert "must not be used" in card
    assert "epoch 2/2" in capsys.readouterr().err
    # What its card says of limits can be set right afterwards: nothing is trained again.
    trained = (out / "checkpoint.pt").stat().st_mtime_ns
    assert call(few, out, "--set", "limits=Only eight people were heard.") == 0
    card = (out / "model" / "card.md").read_text("utf-8")
    assert "## Limits\n\nOnly eight people were heard.\n" in card
    assert (out / "checkpoint.pt").stat().st_mtime_ns == trained


def test_what_a_card_needs_is_asked_before_anything_is_trained(few, tmp_path):
    text = (few / "tiny.toml").read_text()
    unsaid = "".join(x for x in text.splitlines(True) if not x.startswith("licence"))
    (few / "unsaid.toml").write_text(unsaid)
    with pytest.raises(UsageError, match="licence of the corpus few: give licence = "):
        call(few, tmp_path / "unsaid", recipe="unsaid.toml")
    assert not (tmp_path / "unsaid" / "checkpoint.pt").exists()
    # Said otherwise later, it is the same run.
    run = tmp_path / "run"
    run.mkdir()
    recipe = read_recipe(few / "tiny.toml")
    cpu = torch.device("cpu")
    begin_run(run, recipe.model_dump_json(), cpu)
    (run / "checkpoint.pt").touch()
    parts = tuple(p.model_copy(update={"licence": "other"}) for p in recipe.corpora)
    other = recipe.model_copy(update={"corpora": parts, "licence": "other"})
    begin_run(run, other.model_dump_json(), cpu)
    with pytest.raises(UsageError, match="another recipe"):
        begin_run(run, recipe.model_copy(update={"seed": 99}).model_dump_json(), cpu)


@pytest.mark.slow
def test_folds_train_one_model_each_that_never_heard_its_speakers(few, tmp_path):
    out = tmp_path / "folds"
    assert call(few, out, "--folds", "group:2", "--seed", "4") == 0
    figures = json.loads((out / "figures.json").read_text())
    assert figures["folds"] == ["01", "02"]
    assert figures["seed"] == 4
    values = figures["models"]["int8"]
    assert values["uar"] == pytest.approx(sum(values["uar_by_fold"]) / 2, abs=0.01)
    assert sum(map(sum, values["confusion"])) == 45  # less the two that the recipe holds out
    assert (out / "fold01" / "int8" / "model.onnx").is_file()
    table = Path(__file__).parents[2] / "scripts" / "transfer_table.py"
    command = [sys.executable, str(table), str(out), "--out", str(tmp_path / "table.json")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"| folds | {figures['models']['float32']['uar']:.1f} | {values['uar']:.1f} |" in printed
    (row,) = json.loads((tmp_path / "table.json").read_text())
    assert row["models"]["int8"]["confusion"] == values["confusion"]
    command[2] = str(tmp_path)
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "no finished run" in refused.stderr
    # One fold alone has no others to fit a temperature on.
    one = tmp_path / "one"
    assert call(few, one, "--folds", "held-out:ravdess-03,ravdess-04") == 0
    single = json.loads((one / "figures.json").read_text())["models"]["int8"]
    assert (single["temperatures"], single["uar_deviation"]) == ([1.0], 0.0)
    # Each fold can learn from the network of the same fold: {fold} in the recipe.
    taught = tmp_path / "taught"
    more = ["--encoders", str(tmp_path), "--set", "distill.teacher=folds/fold{fold}"]
    assert call(few, taught, "--folds", "group:2", *more) == 0
    made = json.loads((taught / "fold02" / "recipe.json").read_text())
    assert made["distill"]["teacher"] == "folds/fold02"


@pytest.mark.parametrize("folds", ["held-out:ravdess-02,ravdess-03", "ravdess"])
def test_folds_that_test_whom_the_recipe_holds_out_are_refused(few, tmp_path, folds):
    with pytest.raises(UsageError, match=r"tests ravdess-0[12], whom the recipe holds out"):
        call(few, tmp_path / "folds", "--folds", folds)


@pytest.mark.slow
def test_processes_can_share_the_folds(few, tmp_path, capsys):
    """Trained one at a time, in any order, they give what one run over all of them gives."""
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    assert call(few, whole, "--folds", "group:2") == 0
    for name in ("02", "01"):
        assert call(few, shared, "--folds", "group:2", "--only", name) == 0
        assert f"trained: {name}" in capsys.readouterr().out
        assert not (shared / "figures.json").exists()
    trained = (shared / "fold02" / "checkpoint.pt").stat().st_mtime_ns
    assert call(few, shared, "--folds", "group:2") == 0
    assert (shared / "fold02" / "checkpoint.pt").stat().st_mtime_ns == trained
    assert (shared / "figures.json").read_text() == (whole / "figures.json").read_text()
    for wrong, says in (
        (("--folds", "group:2", "--only", "3"), "01, 02"),
        (("--only", "1"), "--folds"),
    ):
        with pytest.raises(UsageError, match=says):
            call(few, shared, *wrong)


@pytest.mark.slow
def test_int8_is_chosen_only_if_it_is_faster_and_as_good(few, tmp_path, monkeypatch):
    out = tmp_path / "run"
    call(few, out)
    folders = {name: out / name for name in ("float32", "int8")}
    for times, chosen in (((2.0, 1.0), "int8"), ((1.0, 2.0), "float32")):
        measured = dict(zip(folders, times, strict=True))
        monkeypatch.setattr(
            "livemood.training.evaluation.precision.milliseconds", lambda _, m=measured: m
        )
        assert choose_precision(folders, [])["chosen"] == chosen


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("few", "none"), "no corpus at"),
        (("ravdess-01", "nobody"), "nobody"),
        (('"fear", ', ""), "unknown label 'fear'"),
        (("licence = ", "license = "), "license"),
    ],
)
def test_recipes_that_do_not_fit_their_data_are_refused(few, tmp_path, change, says):
    path = tmp_path / "wrong.toml"
    path.write_text(RECIPE.replace("EPOCHS", "1").replace(*change))
    with pytest.raises(UsageError, match=says):
        run(["train", str(path), "--corpora", str(few), "--out", str(tmp_path / "o")])


@pytest.mark.slow
@pytest.mark.timeout(1800)
# Twelve starts of torch, which in CI run with the time that other tests leave.
def test_killed_at_ten_moments_it_ends_with_the_same_weights(few, tmp_path):
    """SIGKILL, at any moment: at most the epoch that was under way is lost."""
    arguments = [sys.executable, "-m", "livemood", "train", str(few / "long.toml")]
    arguments += ["--corpora", str(few), "--cache", str(few / "cache"), "--device", "cpu"]
    subprocess.run([*arguments, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    broken, kills, rng = tmp_path / "broken", 0, random.Random(7)
    curve = broken / "curve.jsonl"
    lost = []
    while kills < 10:
        before = len(curve.read_text().splitlines()) if curve.exists() else 0
        process = subprocess.Popen(
            [*arguments, "--out", str(broken)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        # Not before it has begun to train: then as soon as a random number of epochs is done, and
        # at a random moment within the next one.
        target = before + rng.randint(0, 1)
        while (line := process.stderr.readline()) and f"epoch {target + 1}/".encode() not in line:
            pass
        time.sleep(rng.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        state = torch.load(broken / "checkpoint.pt", weights_only=True)
        lost.append(target + 1 - state["epoch"])
        if state["epoch"] == 24:
            break
    assert kills == 10
    assert max(lost) <= 0  # what was said to be done is kept
    subprocess.run([*arguments, "--out", str(broken)], check=True, capture_output=True)
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "broken")
    )
    assert one["epoch"] == other["epoch"] == 24
    for part in ("ema", "best", "network"):
        for name, value in one[part].items():
            assert torch.equal(value, other[part][name]), name
    # Which of the two is chosen hangs on how fast they are, and so on what else the machine does.
    for precision in ("float32", "int8"):
        one, other = (
            (tmp_path / name / precision / "model.onnx").read_bytes()
            for name in ("whole", "broken")
        )
        assert one == other
