"""The examples in the docstrings of the protocols, as they stand there."""

import inspect
import re
from textwrap import dedent

import numpy as np
import pytest
import soundfile as sf

import livemood
from livemood.audio.resample import resample
from livemood.timeline.events import parse_event

EXAMPLE = re.compile(r"^ {8}class .*?(?=^ {4}\S)", re.MULTILINE | re.DOTALL)
PROTOCOLS = (
    "EmotionModel",
    "StreamingEmotionModel",
    "VoiceActivityDetector",
    "Source",
    "Sink",
    "Fusion",
)


@pytest.fixture
def call(demo_file, tmp_path, monkeypatch):
    """A folder with eight seconds of the demo as `call.wav` and, without a head, as `call.pcm`."""
    sound, rate = sf.read(demo_file, frames=8 * 48000, dtype="float32")
    pcm = np.round(np.clip(resample(sound[:, 0], rate, 16000), -1, 1) * 32767).astype("<i2")
    sf.write(tmp_path / "call.wav", pcm, 16000)
    (tmp_path / "call.pcm").write_bytes(pcm.tobytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_example_in_the_docstring_runs_and_reads_speech(name, call):
    source = inspect.getsource(getattr(livemood, name))
    found = EXAMPLE.search(source)
    assert found, f"the docstring of {name} has no example"
    events = []
    exec(dedent(found[0]), {"livemood": livemood, "np": np, "print": events.append})
    if name == "Sink":
        events = [parse_event(line) for line in (call / "call.jsonl").open("rb")]
    read = [event for event in events if event.type == "emotion"]
    assert read, [event.type for event in events]
    assert events[-1].type == "session.ended"
    own = {"calm", "excited"} if "Model" in name else set(livemood.load_model().labels)
    assert set(read[0].probabilities) == own
    if name == "Fusion":
        (fused,) = [event for event in events if event.type == "fused"]
        assert fused.sources == ("voice", "words")
        assert max(fused.probabilities, key=fused.probabilities.get) == "happy"


def test_each_public_protocol_has_its_example_run():
    public = {n for n in livemood.__all__ if getattr(getattr(livemood, n), "_is_protocol", False)}
    assert public == set(PROTOCOLS)
