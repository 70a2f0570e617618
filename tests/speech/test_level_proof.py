"""The shipped detector: as deaf to level as can be, and to what is no speech."""

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.engine import MonitorSettings, analyze_file
from livemood.speech import GateSettings, SpeechEnded, SpeechGate, open_detector
from livemood.speech.gain import ABOVE_NOISE, LOUD_VOICE, QUIETEST, TARGET, SlowGain

RATE = 16000
CLIPS = ("03-01-05-02-01-01-20", "03-01-02-01-01-01-11", "03-01-04-01-02-02-11")


def heard(sound):
    """Which frames of 20 ms lie in an open gate."""
    detector = open_detector("webrtc")
    gate = SpeechGate(GateSettings(), detector.frame_length, RATE)
    events = [e for p in detector.probabilities(sound) for e in gate.push(p)] + gate.close()
    out = np.zeros(len(sound) // 320 + 1, bool)
    for event in events:
        if isinstance(event, SpeechEnded):
            out[event.start // 320 : event.end // 320] = True
    return out


def in_16_bits(sound):
    return np.clip(np.round(sound * 32768), -32768, 32767).astype(np.float32) / 32768


def cadence(frequencies, on, off, seconds=30):
    t = np.arange(RATE * seconds) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in frequencies) / len(frequencies)
    return (tones * (t % (on + off) < on)).astype(np.float32)


def keystrokes(seconds=30):
    rng, out, at = np.random.default_rng(2), np.zeros(RATE * seconds, np.float32), 0.2
    while at < seconds - 0.1:
        click = np.exp(-np.arange(480) / 60) * rng.standard_normal(480) * rng.uniform(0.5, 1)
        out[int(at * RATE) :][:480] += click.astype(np.float32)
        at += rng.uniform(0.1, 0.35)
    out += rng.normal(0, 1e-3, len(out)).astype(np.float32)
    return out / np.abs(out).max()


def touch_tones(seconds=30):
    rng, t, out = np.random.default_rng(4), np.arange(RATE // 10) / RATE, []
    while len(out) < 5 * seconds:  # a key of 100 ms (ITU-T Q.23), and as long a pause
        hertz = rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477])
        out += [sum(np.sin(2 * np.pi * f * t) for f in hertz) / 2, np.zeros_like(t)]
        out += [np.zeros(RATE)] if len(out) % 18 == 0 else []
    return np.concatenate(out)[: RATE * seconds].astype(np.float32)


def chords(seconds=30):
    t, parts = np.arange(RATE // 2) / RATE, []
    for number in range(2 * seconds):
        root = 220 * 2 ** ((0, 9, 5, 7)[number // 2 % 4] / 12)
        notes = (root * 2 ** (step / 12) * n for step in (0, 4, 7) for n in (1, 2, 3))
        parts.append(np.exp(-t) * sum(np.sin(2 * np.pi * f * t) for f in notes) / 9)
    return np.concatenate(parts).astype(np.float32)


NOT_SPEECH = {
    "ringback": cadence([425], 1, 4),
    "American ringback": cadence([440, 480], 2, 4),
    "dial": cadence([350, 440], 1, 0),
    "busy": cadence([425], 0.5, 0.5),
    "congestion": cadence([425], 0.25, 0.25),
    "hum": cadence([50 * n for n in range(1, 12)], 1, 0),
    "noise": np.random.default_rng(1).normal(0, 0.2, 30 * RATE).astype(np.float32),
    "touch tones": touch_tones(),
    "keystrokes": keystrokes(),
    "chords": chords(),
}


@pytest.mark.parametrize("level", [0.5, 0.05, 0.005])
@pytest.mark.parametrize("kind", NOT_SPEECH)
def test_what_is_no_speech_does_not_open_the_gate_for_long(kind, level):
    assert heard(NOT_SPEECH[kind] * np.float32(level)).sum() * 0.02 < 1.5


def test_a_dial_tone_has_no_emotion(tmp_path, model):
    path = tmp_path / "busy.wav"
    sf.write(path, 0.1 * NOT_SPEECH["busy"], RATE)
    timeline, failure = analyze_file(path, model)
    assert failure is None
    labelled = [s for s in timeline.segments(0) if s.label != "uncertain"]
    assert sum(s.end_ms - s.start_ms for s in labelled) < 1500


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("db", [-30, -20, -10, 10])
def test_speech_is_found_at_any_level(clip, name, db):
    sound, _ = sf.read(clip(name), dtype="float32")
    as_is = heard(sound)
    found = heard(in_16_bits(sound * np.float32(10 ** (db / 20))))
    assert (found & as_is).sum() > (0.75 if db == -30 else 0.9) * as_is.sum()


def voice(sound):
    """Which frames in an open gate are no more than 30 dB below the loudest."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    energies = np.append(np.add.reduce(np.square(frames), axis=1), 0)
    return heard(sound) & (energies > energies.max() * 1e-3)


def steady(seconds, level):
    return np.random.default_rng(3).normal(0, level, round(RATE * seconds)).astype(np.float32)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("room", [0, 1e-4])
@pytest.mark.parametrize("pause", [0, 2])
def test_speech_after_a_tone_is_found_however_quiet(clip, name, pause, room):
    sound, _ = sf.read(clip(name), dtype="float32")  # -27 to -51 dBFS
    tone = 0.2 * cadence([440, 480], 2, 4, seconds=20 + pause)
    both = np.concatenate((tone, sound))
    after = heard(both + steady(len(both) / RATE, room))[len(tone) // 320 :]
    alone = voice(sound)
    assert (after[: len(alone)] & alone).sum() > 0.8 * alone.sum()


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("below", [10, 5])
def test_speech_in_noise_is_found(clip, name, below):
    sound, _ = sf.read(clip(name), dtype="float32")
    noise = steady(len(sound) / RATE, np.std(sound) * 10 ** (-below / 20))
    alone = voice(sound)
    assert (heard(sound + noise) & alone).sum() > 0.95 * alone.sum()


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("silence", [0, 1600])
def test_a_recording_that_begins_in_a_word_is_heard(clip, name, silence):
    sound, _ = sf.read(clip(name), dtype="float32")
    first = np.flatnonzero(voice(sound))[0] + 3
    alone = voice(sound)[first:]
    cut = np.concatenate((np.zeros(silence, np.float32), sound[first * 320 :]))
    found = heard(cut)[silence // 320 :][: len(alone)]
    assert (found & alone).sum() > 0.8 * alone.sum()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=20), st.sampled_from(list(NOT_SPEECH)))
def test_decisions_do_not_depend_on_how_much_is_handed_over(sizes, kind):
    sound = NOT_SPEECH[kind][: 4 * RATE]
    whole = open_detector("webrtc").probabilities(sound)
    detector, parts, at = open_detector("webrtc"), [], 0
    while at < len(sound):
        size = 320 * sizes[at % len(sizes)]
        parts += detector.probabilities(sound[at : at + size])
        at += size
    assert parts == whole


LEVELS = st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=800)
QUIET = LOUD_VOICE / ABOVE_NOISE  # noise above this is much noise


@given(st.lists(st.floats(0.15, 1.0), min_size=1, max_size=800), st.integers(1, 3))
def test_the_same_levels_halved_have_twice_the_gain(levels, halvings):
    factor = 0.5**halvings
    levels = [level * QUIET for level in levels]
    usual = SlowGain(50).push(levels)
    quieter = SlowGain(50).push([level * factor for level in levels])
    limit = TARGET / QUIETEST  # nothing is lifted further
    for gain, more in zip(usual, quieter, strict=True):
        assert more == gain / factor or more >= limit / 2


@given(LEVELS, st.integers(1, 5))
def test_in_much_noise_they_have_at_most_that(levels, halvings):
    factor = 0.5**halvings
    usual = SlowGain(50).push(levels)
    quieter = SlowGain(50).push([level * factor for level in levels])
    for gain, more in zip(usual, quieter, strict=True):
        assert gain * (1 - 1e-9) <= more <= gain / factor * (1 + 1e-9)


def test_a_quiet_room_after_digital_silence_is_no_speech():
    room = np.random.default_rng(3).normal(0, 1e-4, 5 * RATE).astype(np.float32)
    assert not heard(np.concatenate((np.zeros(10 * RATE, np.float32), room))).any()


@given(LEVELS, LEVELS)
def test_what_was_heard_long_ago_does_not_count(once, other):
    lately = [0.1, 0.01] * 600
    first, second = SlowGain(50), SlowGain(50)
    first.push(once)
    second.push(other)
    # From here both hear the same; where their seconds begin may differ by less than one.
    assert first.push(lately)[-1] == pytest.approx(second.push(lately)[-1], rel=1e-6)


def test_a_session_names_its_detector(clip, model):
    timeline, _ = analyze_file(clip(CLIPS[0]), model, MonitorSettings())
    assert timeline.started.settings.vad == "webrtc"
