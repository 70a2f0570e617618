"""The benchmark of what folds left out, on a run made here with random weights."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from safetensors.torch import save_file  # noqa: E402

from livemood.training.network.streaming_encoder import HEAD, VoiceHead  # noqa: E402
from livemood.training.network.whisper import WhisperStack  # noqa: E402
from livemood.training.network.whisper_weights import TINY_EN  # noqa: E402
from livemood.training.recipe.schema import read_recipe  # noqa: E402

REPO = Path(__file__).parents[2]
SPEAKER = "ravdess-01"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder of encoders, in it the run of one fold whose head has random weights."""
    torch.manual_seed(1)
    weights = tmp_path / "whisper-tiny-en.safetensors"
    save_file(WhisperStack(blocks=1).state_dict(), weights)
    monkeypatch.setitem(TINY_EN, hashlib.sha256(weights.read_bytes()).hexdigest(), "safetensors")
    recipe = json.loads(read_recipe(REPO / "recipes" / "encoder-ravdess.toml").model_dump_json())
    recipe["network"]["blocks"] = 1
    fold = tmp_path / "run" / "foldheld-out"
    fold.mkdir(parents=True)
    (fold / "recipe.json").write_text(json.dumps(recipe))
    head = VoiceHead(384, 8, 0.0)
    torch.save(head.state_dict(), fold / HEAD)
    return fold.parent


@pytest.mark.slow
def test_what_a_fold_left_out_is_read_without_and_with_a_baseline(
    run, corpora, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    import left_out

    given = ["--corpora", corpora, "--encoders", run.parent, "--cache", run.parent / "cache"]
    words = [run, "--folds", f"held-out:{SPEAKER}", "--quick", *given]
    monkeypatch.setattr(sys, "argv", ["left_out.py", *map(str, words)])
    left_out.main()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    (fold,) = result["folds"].values()
    assert (fold["clips"], fold["labels"], fold["speakers"]) == (60, 8, 1)
    assert fold["baseline_s"] > 0
    for which in ("without", "with"):
        confusion = np.array(fold[which]["confusion"])
        assert confusion.sum() == 60
        recalls = np.diag(confusion) / confusion.sum(1)
        assert fold[which]["uar"] == pytest.approx(100 * recalls.mean(), abs=0.1)
