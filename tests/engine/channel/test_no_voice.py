"""What opens the gate and is no speech has no emotion, whatever the model."""

import numpy as np
import pytest
import soundfile as sf

from livemood.audio import AudioBlock
from livemood.engine import MonitorSettings, SessionCore, analyze_file

RATE, SECONDS = 16000, 30


def room(sound, rng):
    """A small room that rings for half a second."""
    t = np.arange(RATE // 2) / RATE
    echo = rng.standard_normal(len(t)) * np.exp(-6.9 * t / t[-1]) * 0.02
    echo[0] = 1
    size = len(sound) + len(echo)
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(echo, size), size)[: len(sound)]


def struck(rng, modes, falls, noise, every, group):
    """Something is struck about so often, so many times in a row: resonances and a burst."""
    out, t, at = np.zeros(RATE * SECONDS), np.arange(RATE // 4) / RATE, 0.3
    while at < SECONDS - 0.5:
        wave = sum(
            np.exp(-t / f) * np.sin(2 * np.pi * m * t) for m, f in zip(modes, falls, strict=True)
        )
        wave = wave + noise * np.exp(-t / 0.004) * rng.standard_normal(len(t))
        begin = int(at * RATE)
        out[begin : begin + len(t)] += wave * rng.uniform(0.5, 1)
        at += every * rng.uniform(0.7, 1.4)
        if rng.random() < 1 / group:
            at += rng.uniform(0.3, 1.5)
    return out


DOOR = "a wooden door"
STRUCK = {
    "slow keys": ((), (), 1, 0.3, 7),
    "fast keys": ((), (), 1, 0.11, 7),
    DOOR: ((180, 420, 950), (0.02, 0.012, 0.006), 0.3, 0.22, 3),
    "a glass": ((1200, 2900), (0.06, 0.03), 0.1, 0.6, 7),
    "a pen on a table": ((700, 1800, 3300), (0.008, 0.006, 0.004), 0.5, 0.17, 7),
}


def heard(sound, model, settings=None):
    """The events of a session with this sound."""
    events = []
    core = SessionCore(
        model,
        settings or MonitorSettings(),
        source="sound",
        sample_rate=RATE,
        channels=1,
        live=False,
        sinks=[events.append],
    )
    core.push(AudioBlock(0, sound.astype(np.float32)[:, None], 0.0))
    core.process()
    core.finish()
    return events


def labelled_s(events):
    segments = [e for e in events if e.type == "segment" and e.label != "uncertain"]
    return sum(e.end_ms - e.start_ms for e in segments) / 1000


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in STRUCK if kind != DOOR])
def test_what_is_struck_has_no_emotion_in_the_open_or_in_a_room(kind, echo, small_model):
    rng = np.random.default_rng(11)
    sound = struck(rng, *STRUCK[kind])
    sound = room(sound, rng) if echo else sound
    events = heard(0.1 * sound / np.abs(sound).max(), small_model)
    assert labelled_s(events) < 1.5  # of half a minute


def test_nor_has_a_knock_at_a_door(small_model):
    """In the open. In a room that rings, what is low and hollow is near to a voice."""
    sound = struck(np.random.default_rng(11), *STRUCK[DOOR])
    assert labelled_s(heard(0.1 * sound / np.abs(sound).max(), small_model)) < 1.5


@pytest.mark.parametrize(
    "name", ["03-01-05-02-01-01-20", "03-01-02-01-01-01-11", "03-01-04-01-02-02-11"]
)
def test_every_window_of_speech_is_read(clip, name, small_model):
    timeline, _ = analyze_file(clip(name), small_model)
    readings = timeline.emotions(0)
    assert readings
    assert all(len(set(e.raw_probabilities.values())) > 1 for e in readings)


def test_a_window_that_is_not_read_comes_all_the_same_without_a_label(clip, small_model):
    sound, _ = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    all_refused = MonitorSettings.read({"window": {"least_speech": 1.0}})
    as_usual, refused = heard(sound, small_model), heard(sound, small_model, all_refused)
    both = [[e for e in events if e.type == "emotion"] for events in (as_usual, refused)]
    assert [(e.start_ms, e.end_ms) for e in both[0]] == [(e.start_ms, e.end_ms) for e in both[1]]
    assert {e.label for e in both[1]} == {"uncertain"}
    assert all(e.unread for e in both[1])
    assert {p for e in both[1] for p in e.raw_probabilities.values()} == {round(1 / 7, 4)}
