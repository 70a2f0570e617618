"""Annotation standards."""

import re
from pathlib import Path

import pytest
from data_command import data
from typer.testing import CliRunner

from livemood.cli.main import app
from livemood.errors import LivemoodError

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "guides" / "datasets.md"


@pytest.fixture
def standard(tmp_path):
    """The standard that the guide shows."""
    [text] = re.findall(r"(?ms)^```toml\n(name = .*?)^```", DOCUMENT.read_text("utf-8"))
    (tmp_path / "calls.toml").write_text(text)
    return tmp_path / "calls.toml"


def test_the_documented_standard_is_complete_and_becomes_a_page(standard, tmp_path):
    assert "calls: 2 labels" in data("guide", standard, "--out", tmp_path / "calls.html")
    page = (tmp_path / "calls.html").read_text("utf-8")
    assert "Where is my money!" in page
    assert "How to decide" in page


def test_every_breach_is_named(standard, sounds, tmp_path):
    (tmp_path / "m.csv").write_text(
        "path,start,end,speaker,label,intensity,valence\n"
        f"{sounds}/one.wav,0,1,ann,angry,strong,-0.5\n"
        f"{sounds}/one.wav,0.9,1.8,ann,neutral,,\n"
        f"{sounds}/two.flac,0.1,0.3,bob,bored,mild,\n"
    )
    done = CliRunner().invoke(
        app, ["data", "guide", str(standard), "--check", str(tmp_path / "m.csv")]
    )
    assert isinstance(done.exception, LivemoodError)
    assert str(done.exception) == "4 breaches of the standard calls"
    assert done.output.splitlines() == [
        "two.flac at 0.1 s: the label 'bored' is none of angry, neutral",
        "two.flac at 0.1 s: the intensity 'mild' is none of weak, strong",
        "two.flac at 0.1 s: 0.20 s is shorter than 0.5 s",
        "one.wav at 0.9 s: it lies over the stretch at 0 s",
    ]


@pytest.mark.corpora
def test_a_corpus_keeps_to_a_standard_or_does_not(standard, corpora, tmp_path):
    table = corpora / "emovo" / "metadata.csv"
    with pytest.raises(LivemoodError, match="420 breaches"):  # five emotions that it lacks
        data("guide", standard, "--check", table)
    text = standard.read_text().replace("[intensity]", "{}[intensity]".format("".join(
        f'[labels.{x}]\ndefinition = "x"\n' for x in ("happy", "sad", "fear", "disgust", "surprise")
    )))  # fmt: skip
    standard.write_text(text)
    assert "keeps to it" in data("guide", standard, "--check", table)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("name = 'x'\n", "labels: Field required"),
        ("name = 'x'\n[labels.a]\n", "labels.a.definition: Field required"),
        ("name = ", "is no TOML"),
        ("name = 'x'\nlabels = 3\n", "labels: Input should be a valid dict"),
    ],
)
def test_a_wrong_standard_is_answered_in_one_line(change, said, tmp_path):
    (tmp_path / "g.toml").write_text(change)
    with pytest.raises(LivemoodError, match=said) as caught:
        data("guide", tmp_path / "g.toml")
    assert "\n" not in str(caught.value)
