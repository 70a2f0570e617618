"""A text model as a folder: read, refused, and read by two threads."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from livemood.errors import ModelError
from livemood.text.encoder import TextEncoder, find_text_model
from livemood.text.manifest import read_text_manifest


def test_sentences_are_read_as_they_say(text_model):
    encoder = TextEncoder(text_model)
    read = encoder.read(["it is wonderful and great", "i am furious and angry", "the table"])
    assert read.sum(axis=1) == pytest.approx([1, 1, 1])
    assert [encoder.labels[i] for i in read.argmax(axis=1)] == ["happy", "angry", "neutral"]


def test_a_sentence_reads_alike_alone_and_beside_longer_ones(text_model):
    encoder = TextEncoder(text_model)
    texts = ["wow", "the sad tears and the grief of it", "i am scared", "great " * 300]
    together = encoder.logits(texts)
    for place, text in enumerate(texts):
        # Dynamic int8 rounds by what else is in the batch.
        assert encoder.logits([text])[0] == pytest.approx(together[place], abs=0.5)


@pytest.mark.parametrize("text", ["", " ", "\x00", "😀" * 9, "漢字", "a" * 2000, "\ud800x"])
def test_any_text_is_read(text_model, text):
    encoder = TextEncoder(text_model)
    text = text.encode("utf-8", "replace").decode()
    read = encoder.read([text])
    assert np.isfinite(read).all()


def test_two_threads_may_read_at_once(text_model):
    encoder = TextEncoder(text_model)
    texts = ["so happy", "so sad", "so angry", "so scared"] * 10
    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(lambda text: encoder.read([text])[0], texts))
    for text, own in zip(texts, read, strict=True):
        assert own == pytest.approx(encoder.read([text])[0])


def test_what_is_damaged_is_refused(text_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(text_model, folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json is not the file"):
        TextEncoder(folder)
    shutil.copy(text_model / "tokenizer.json", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"priors": [1, 2]}))
    with pytest.raises(ModelError, match="damaged"):
        TextEncoder(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelError, match="no text model"):
        TextEncoder(folder)


def test_a_name_that_is_none_says_what_to_do():
    with pytest.raises(ModelError, match=r"no text model is called 'x': use words, .*train-text"):
        find_text_model("x")


def test_reading_needs_no_torch(text_model):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from livemood.text.fusion import LateFusion\n"
        "LateFusion(sys.argv[1]).read('so happy', ['neutral', 'happy', 'sad', 'angry', 'fear',"
        " 'disgust', 'surprise'])\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(text_model)], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_manifest_tells_what_was_measured(text_model):
    manifest = read_text_manifest(text_model)
    assert manifest.precision == "int8"
    assert manifest.metrics["test"]["macro_f1"] > 90
    assert (text_model / "card.md").read_text().startswith("# Text model card: small-words")
