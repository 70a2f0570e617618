"""Recordings: what is written of sound that comes whole, apart, late or not at all."""

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio import AudioBlock
from livemood.server.storage.sound import Recorder, Recording

RATE = 16000


def tone(frequency, seconds, rate=RATE):
    times = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * frequency * times).astype(np.float32)


def loudness(samples, start_s, end_s, rate=RATE):
    return float(np.sqrt(np.mean(samples[round(start_s * rate) : round(end_s * rate)] ** 2)))


@pytest.mark.parametrize("apart", [False, True])
def test_what_was_pushed_is_what_is_kept(tmp_path, apart):
    recording = Recording(tmp_path / "x.opus", RATE, 2)
    left, right = tone(300, 3), tone(500, 3)
    right[:RATE] = 0.0
    for at in range(0, 3 * RATE, 320):
        span = slice(at, at + 320)
        if apart:
            recording.push(AudioBlock(at, left[span, None], 0.0, channel=0))
            recording.push(AudioBlock(at, right[span, None], 0.0, channel=1))
        else:
            recording.push(AudioBlock(at, np.stack([left[span], right[span]], axis=1), 0.0))
        if at % 32000 == 0:
            assert recording.write()
    recording.finish()
    assert not recording.write()
    kept, rate = sf.read(recording.path)
    assert rate == RATE
    assert len(kept) == pytest.approx(3 * RATE, abs=RATE // 10)
    assert loudness(kept[:, 0], 0.2, 2.8) == pytest.approx(0.35, abs=0.05)
    assert loudness(kept[:, 1], 0.1, 0.9) < 0.01
    assert loudness(kept[:, 1], 1.1, 2.8) == pytest.approx(0.35, abs=0.05)


def test_a_party_that_never_comes_does_not_hold_the_other_back(tmp_path):
    recording = Recording(tmp_path / "x.opus", RATE, 2)
    sound = tone(300, 5)
    for at in range(0, len(sound), 1600):
        recording.push(AudioBlock(at, sound[at : at + 1600, None], 0.0, channel=1))
    assert recording.write()
    assert all(track.waiting <= 2.1 * RATE for track in recording._tracks)
    recording.finish()
    assert not recording.write()
    kept, _ = sf.read(recording.path)
    assert loudness(kept[:, 0], 0.0, 4.8) < 0.01
    assert loudness(kept[:, 1], 0.2, 4.8) == pytest.approx(0.35, abs=0.05)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((0, 1)), st.integers(0, 8000), st.integers(0, 4000)), max_size=30
    )
)
def test_tracks_stay_together_whatever_comes(tmp_path_factory, pushed):
    recording = Recording(tmp_path_factory.mktemp("kept") / "x.opus", RATE, 2)
    ends = [0, 0]
    for channel, hole, length in pushed:
        start = ends[channel] + hole
        recording.push(AudioBlock(start, np.zeros((length, 1), np.float32), 0.0, channel=channel))
        ends[channel] = start + length
        recording.write()
    recording.finish()
    recording.write()
    assert {track.waiting for track in recording._tracks} == {0}


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100])
def test_the_end_of_the_sound_is_kept_too(tmp_path, rate):
    """A resampler holds back some of what it was given: the last of it is a word's end."""
    recording = Recording(tmp_path / "x.opus", rate, 1)
    sound = tone(300, 2, rate)
    for at in range(0, len(sound), 441):
        recording.push(AudioBlock(at, sound[at : at + 441, None], 0.0))
    recording.finish()
    recording.write()
    kept, target = sf.read(recording.path)
    assert len(kept) == pytest.approx(2 * target, abs=0.002 * target)
    assert loudness(kept, 1.95, 1.998, target) == pytest.approx(0.35, abs=0.08)


def test_the_log_names_no_file_of_sound(tmp_path, caplog):
    """Their names are the ids of sessions."""
    recorder = Recorder(tmp_path / "sound")
    (tmp_path / "sound" / "secret0id.opus").mkdir()
    recording = recorder.open("secret0id", RATE, 1)
    recording.push(AudioBlock(0, tone(300, 1)[:, None], 0.0))
    recording.finish()
    recorder.close()
    assert "sound cannot be kept" in caplog.text
    assert "secret0id" not in caplog.text
