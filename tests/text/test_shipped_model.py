"""The text model that livemood brings, on plain sentences."""

import pytest

from livemood.text.encoder import TextEncoder, find_text_model

pytest.importorskip("tokenizers", reason="needs the extra words")

SAID = {
    "happy": "Thank you so much, this is the best day of my life!",
    "sad": "I miss her so much. I cried all night.",
    "angry": "I hate you, shut up, you idiot!",
    "fear": "I am terrified, please don't let it come near me.",
    "disgust": "That is disgusting, it makes me want to vomit.",
    "surprise": "Wow, I can't believe it, I did not expect that at all!",
    "neutral": "The meeting is in room four at ten.",
}


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder(find_text_model("words"))


@pytest.mark.parametrize("label", SAID)
def test_a_plain_sentence_reads_as_it_says(encoder, label):
    read = encoder.read([SAID[label]])[0]
    assert encoder.labels[read.argmax()] == label


def test_it_is_small_and_says_how_good_it_is(encoder):
    folder = find_text_model("words")
    assert (folder / "model.onnx").stat().st_size < 30e6
    measured = encoder.manifest.metrics["test"]["macro_f1"]
    assert measured > 57
    assert f"**{measured}**" in (folder / "card.md").read_text("utf-8")
