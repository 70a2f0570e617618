"""`livemood enroll`, and `listen` with what it wrote."""

import json

import pytest
import soundfile as sf
from started import livemood

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")


@pytest.fixture(scope="module")
def folder(small_encoder_folder):
    return small_encoder_folder


@pytest.fixture(scope="module")
def voice(demo_file, tmp_path_factory):
    """What one of the two in the bundled conversation says, and both together."""
    sound, rate = sf.read(demo_file, dtype="float32")
    out = tmp_path_factory.mktemp("voice")
    sf.write(out / "one.wav", sound[:, 0], rate)
    sf.write(out / "both.wav", sound[:, :2], rate)
    return out


def listened(folder, *arguments):
    done = livemood(
        "listen", "--model", folder, "--speed", "max", "--json", "--no-serve", *arguments
    )
    assert done.returncode == 0, done.stderr
    events = map(json.loads, done.stdout.splitlines())
    return [event for event in events if event["type"] == "emotion"]


@pytest.mark.slow
def test_a_voice_is_enrolled_and_used(folder, voice, tmp_path):
    me = tmp_path / "me.baseline"
    done = livemood(
        "enroll", "--model", folder, "--file", voice / "one.wav", "--out", me, "--seconds", 10
    )
    assert done.returncode == 0, done.stderr
    assert "biometric" in done.stderr
    told = json.loads(me.read_text())
    assert told["schema"] == "livemood.baseline/1"
    plain = listened(folder, "--file", voice / "one.wav")
    known = listened(folder, "--file", voice / "one.wav", "--baseline", me)
    without = listened(folder, "--file", voice / "one.wav", "--no-baseline")
    assert plain[0]["baseline_s"] == 0
    assert known[0]["baseline_s"] == pytest.approx(told["seconds"], abs=0.1)
    assert "baseline_s" not in without[0]
    assert json.loads(me.read_text()) == told, "listening leaves the file as it is"


def refused(*arguments, code=2):
    done = livemood(*arguments)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_cannot_be_enrolled_is_one_line(folder, voice, tmp_path):
    me = tmp_path / "me.baseline"
    silence = tmp_path / "silence.wav"
    sf.write(silence, [0.0] * 160000, 16000)
    common = ("enroll", "--model", folder, "--out", me)
    assert "speech were heard" in refused(*common, "--file", silence)
    assert "channels" in refused(*common, "--file", voice / "both.wav")
    gone = tmp_path / "no" / "me"
    assert "no folder" in refused("enroll", "--out", gone, "--file", silence)
    assert not me.exists()


@pytest.mark.slow
def test_a_baseline_of_another_model_is_refused(folder, voice, tmp_path):
    me = tmp_path / "me.baseline"
    made = livemood(
        "enroll", "--model", folder, "--file", voice / "one.wav", "--out", me, "--seconds", 5
    )
    assert made.returncode == 0, made.stderr
    me.write_text(json.dumps(json.loads(me.read_text()) | {"sha256": "0" * 64}))
    common = ("listen", "--model", folder, "--no-serve", "--file", voice / "one.wav")
    assert "livemood enroll" in refused(*common, "--baseline", me, code=1)
    me.write_text("{}")
    assert "damaged" in refused(*common, "--baseline", me, code=1)
