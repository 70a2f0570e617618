"""Baselines, blocks and no speech on the way through a session."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile as sf

from livemood.audio import AudioBlock
from livemood.engine import MonitorSettings
from livemood.engine.session import SessionCore
from livemood.errors import ModelError, UsageError
from livemood.model import load_model
from livemood.model.manifest import NotSpeech, read_manifest, write_manifest
from livemood.timeline.events import Emotion

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")

RATE = 16000


@pytest.fixture(scope="module")
def folder(small_encoder_folder):
    return small_encoder_folder


@pytest.fixture(scope="module")
def encoder(folder):
    return load_model(folder, "cpu")


@pytest.fixture(scope="module")
def talk(demo_file):
    """Half a minute of the bundled conversation, one voice a channel, shape (n, 2)."""
    sound, rate = sf.read(demo_file, dtype="float32", frames=48000 * 40)
    step = rate // RATE
    return np.ascontiguousarray(sound[: 40 * rate : step, :2])


def events_of(model, sound, settings=None, block=320, **given):
    events = []
    core = SessionCore(
        model,
        settings or MonitorSettings(),
        source="test",
        sample_rate=RATE,
        channels=sound.shape[1],
        live=False,
        sinks=[events.append],
        **given,
    )
    for at in range(0, len(sound), block):
        if core.push(AudioBlock(at, sound[at : at + block], 0.0)):
            core.process()
    core.finish()
    return events


def emotions(events, channel=0):
    return [e for e in events if isinstance(e, Emotion) and e.channel == channel]


def told(events):
    return [e.model_dump(exclude={"time", "latency_ms", "session"}) for e in events]


@pytest.fixture(scope="module")
def usual(encoder, talk):
    """The events of the conversation."""
    return events_of(encoder, talk)


def test_windows_end_where_the_last_block_ends_and_each_brings_something_new(usual):
    heard = emotions(usual)
    assert len(heard) > 20
    assert all(e.end_ms % 240 == 0 for e in heard)
    ends = [e.end_ms for e in heard]
    assert all(a < b for a, b in pairwise(ends))


@pytest.mark.parametrize(
    "block", [7000, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 1600))]
)
def test_the_sizes_of_blocks_do_not_matter(encoder, talk, usual, block):
    assert told(events_of(encoder, talk, block=block)) == told(usual)


def test_a_baseline_grows_with_speech_and_outlasts_pauses_and_gaps(encoder, talk, usual):
    heard = emotions(usual)
    seconds = [e.baseline_s for e in heard]
    assert seconds[0] == 0, "the first window is read before anything is known"
    assert all(a <= b for a, b in pairwise(seconds))
    assert seconds[-1] > 0.5
    silence = np.zeros((20 * RATE, 2), np.float32)
    later = emotions(events_of(encoder, np.concatenate((talk, silence, talk))))
    resumed = next(e for e in later if e.start_ms > 1000 * len(talk) / RATE + 10_000)
    assert resumed.baseline_s >= seconds[-1]


def test_a_baseline_never_reaches_another_channel(encoder, talk, usual):
    alone = emotions(events_of(encoder, talk[:, :1]))
    both = emotions(usual)
    assert [e.raw_probabilities for e in alone] == [e.raw_probabilities for e in both]


def test_a_baseline_that_is_given_is_used_from_the_first_window_and_grows(encoder, talk, usual):
    plain = emotions(usual)
    known = encoder.baseline()
    known.voice.set(np.full(len(known.voice.mean), 0.5), 20.0)
    heard = emotions(events_of(encoder, talk, baselines=[known]))
    assert heard[0].baseline_s == 20
    assert heard[0].raw_probabilities != plain[0].raw_probabilities
    assert known.seconds > 20


def test_without_baselines_events_do_not_speak_of_them(encoder, small_model, talk):
    off = MonitorSettings(baseline=False)
    for events in (events_of(encoder, talk, off), events_of(small_model, talk)):
        heard = emotions(events)
        assert all(e.baseline_s is None for e in heard)
        assert "baseline_s" not in heard[0].model_dump_json()
    assert emotions(events_of(encoder, talk, off))[0].not_speech is not None


def test_baselines_that_cannot_be_are_refused(encoder, model, talk, folder, tmp_path):
    known = encoder.baseline()
    with pytest.raises(UsageError, match="one channel only"):
        events_of(encoder, talk, baselines=[known, known])
    with pytest.raises(UsageError, match="3 baselines were given for 2"):
        events_of(encoder, talk, baselines=[None, None, known])
    with pytest.raises(UsageError, match="use none"):
        events_of(encoder, talk, MonitorSettings(baseline=False), baselines=[known])
    with pytest.raises(ModelError, match="does not fit model"):
        events_of(model, talk, baselines=[known])


def test_what_is_no_speech_has_no_emotion(encoder, talk, folder, tmp_path):
    (tmp_path / "model.onnx").symlink_to(folder / "model.onnx")
    strict = read_manifest(folder).model_copy(update={"not_speech": NotSpeech(threshold=1e-6)})
    write_manifest(strict, tmp_path)
    deaf = load_model(tmp_path, "cpu")
    heard = emotions(events_of(deaf, talk))
    assert heard
    assert {e.label for e in heard} == {"uncertain"}
    assert deaf.predict(talk[: 3 * RATE, 0], RATE).label == "uncertain"
    assert {e.label for e in emotions(events_of(encoder, talk))} != {"uncertain"}


@pytest.mark.parametrize("hop", [0.25, 0.1, pytest.param(0.3, marks=pytest.mark.slow)])
def test_a_hop_must_be_a_whole_number_of_blocks(encoder, talk, hop):
    wanted = MonitorSettings.read({"window": {"hop_s": hop}})
    with pytest.raises(UsageError, match=r"blocks of 0\.24 s"):
        events_of(encoder, talk[:RATE], wanted)
    fine = MonitorSettings.read({"window": {"hop_s": 0.48}})
    ends = {e.end_ms % 480 for e in emotions(events_of(encoder, talk, fine))}
    assert 0 in ends
