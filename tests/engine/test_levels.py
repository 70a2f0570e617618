"""What is said of the level of real speech, and that it does not depend on how sound comes."""

import io

import av
import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import livemood
from livemood.audio import AudioBlock
from livemood.engine import MonitorSettings, SessionCore
from livemood.timeline.events import without_wall_clock
from livemood.timeline.recover import interrupted_end

RATE = 16000
CLIPS = ["03-01-05-02-01-01-20", "03-01-04-01-02-02-11", "03-01-08-02-02-01-01"]


@pytest.fixture(scope="module")
def speech(corpora, clip):
    """Three clips of real speech, joined, at their own levels: 11 s."""
    return np.concatenate([sf.read(clip(name), dtype="float32")[0] for name in CLIPS])


def clipped(sound, share=0.1):
    """So that this share of the loudest half is at the rail, and 12 dB below full scale."""
    loud = np.abs(sound)[np.abs(sound) > np.median(np.abs(sound))]
    rail = np.quantile(loud, 1 - share)
    return np.clip(sound, -rail, rail) * np.float32(0.25 / rail)


def coarse(sound):
    """In 8 bits, 30 dB quieter than it can be."""
    return np.round(sound / np.abs(sound).max() * 0.03 * 128) / np.float32(128)


def crowded(sound):
    """Among thirty others who speak, nobody stands out."""
    shifts = np.linspace(0, len(sound), 31).astype(int)
    return np.sum([np.roll(sound, shift) for shift in shifts], axis=0).astype(np.float32) / 8


def events_of(model, sound, sizes=(320,), cancelled=False):
    events = []
    core = SessionCore(
        model,
        MonitorSettings(),
        source="test",
        sample_rate=RATE,
        channels=1,
        live=False,
        sinks=[events.append],
    )
    at = n = 0
    while at < len(sound):
        block = sound[at : at + sizes[n % len(sizes)], None].astype(np.float32)
        core.push(AudioBlock(at, block, 0.0, cancelled=cancelled))
        core.process()
        at, n = at + len(block), n + 1
    core.finish()
    return events


def levels(events):
    return [event for event in events if event.type == "level"]


def test_speech_as_it_was_recorded_and_thirty_decibels_quieter_is_all_well(small_model, speech):
    for gain in (1.0, 10**-1.5):
        events = events_of(small_model, gain * speech)
        assert levels(events) == []
        assert all(event.level is None for event in events if event.type == "emotion")
        assert "level" not in events[-1].summary[0].model_dump_json()


@pytest.mark.parametrize(
    ("change", "problem"), [(clipped, "clipped"), (coarse, "quiet"), (crowded, "quiet")]
)
def test_what_is_wrong_is_said_and_flags_readings(small_model, speech, change, problem):
    events = events_of(small_model, change(speech))
    first = levels(events)[0]
    assert first.problems == (problem,)
    assert first.end_ms <= 4000
    later = [e for e in events if e.type == "emotion" and e.end_ms > first.end_ms]
    assert later
    assert later[0].level == (problem,)
    summary = events[-1].summary[0]
    assert summary.level_ms[problem] > 1000
    recovered = interrupted_end(events[:-1]).summary[0]
    assert 0 < recovered.level_ms[problem] <= summary.level_ms[problem]


def test_a_cancelled_pair_is_said(small_model, speech):
    events = events_of(small_model, speech, cancelled=True)
    assert levels(events)[0].problems == ("cancelled",)


def test_a_dead_microphone_is_said_and_its_return(small_model, speech):
    sound = np.concatenate((np.full(8 * RATE, 0.02, np.float32), speech))
    said = levels(events_of(small_model, sound))
    assert [(e.problems, e.end_ms) for e in said] == [(("dead",), 5000), ((), 8500)]
    assert said[0].peak_db == pytest.approx(-34, abs=0.1)


def test_a_channel_that_is_not_read_is_not_judged(small_model):
    session = livemood.Session(
        rate=RATE,
        channels=2,
        participants=("A", "B"),
        model=small_model,
        settings=MonitorSettings(ignore_participants=("B",)),
        live=False,
    )
    session.push(np.zeros((8 * RATE, 2), np.float32))
    said = [e for e in session.finish() if e.type == "level"]
    assert {event.channel for event in said} <= {0}


def test_a_channel_may_be_left_out_by_its_number_and_that_is_said(small_model, speech):
    settings = MonitorSettings(ignore_channels=(1,))
    options = {"rate": RATE, "channels": 2, "model": small_model, "live": False}
    session = livemood.Session(settings=settings, **options)
    events = session.push(np.stack([speech, speech], axis=1)) + session.finish()
    assert events[0].not_read == (1,)
    assert {e.channel for e in events if e.type in ("emotion", "speech.started")} == {0}
    for wrong, why in (((2,), "no channel 2 to ignore"), ((0, 1), "no channel is left")):
        with pytest.raises(livemood.UsageError, match=why):
            livemood.Session(settings=MonitorSettings(ignore_channels=wrong), **options)


def test_the_last_bit_of_eight_is_no_voice(small_model, speech):
    """Rounded down, the noise of a quiet room becomes a bit that flickers at -48 dB."""
    plain = events_of(small_model, speech)[-1].summary[0].speech_ms
    eight = np.floor(speech * 128) / np.float32(128)
    found = events_of(small_model, eight)[-1].summary[0].speech_ms
    assert found == pytest.approx(plain, rel=0.12)


def through_opus(sound):
    """As it comes out of Opus at 24 kbit/s."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=RATE, layout="mono", bit_rate=24_000)
        plain = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(plain, format="s16", layout="mono")
        frame.sample_rate = RATE
        out.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as coded:
        to_rate = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [f for decoded in coded.decode(audio=0) for f in to_rate.resample(decoded)]
        return np.concatenate([f.to_ndarray()[0] for f in frames])


@pytest.mark.slow
def test_sound_that_was_clipped_before_a_lossy_codec_is_said_to_be(small_model, speech):
    """The codec wears the rail off: what is left is a crowd below the peaks."""
    sound = np.concatenate((speech, speech))
    said = levels(events_of(small_model, through_opus(clipped(sound))))
    assert "clipped" in {problem for event in said for problem in event.problems}
    unclipped = levels(events_of(small_model, through_opus(0.25 * sound / np.abs(sound).max())))
    assert not unclipped


@pytest.mark.parametrize("silence_s", [0, 0.37, 2])
def test_nor_at_the_beginning(small_model, silence_s):
    """The step is known before the gate could open, also behind digital silence."""
    room = np.floor(np.random.default_rng(0).normal(0, 0.002, 8 * RATE) * 128) / 128
    sound = np.concatenate((np.zeros(round(silence_s * RATE)), room)).astype(np.float32)
    events = events_of(small_model, sound)
    assert not [event for event in events if event.type == "speech.started"]


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, 30_000), min_size=1, max_size=6))
def test_levels_do_not_depend_on_block_sizes(small_model, speech, sizes):
    if max(sizes) < 300:
        sizes = [*sizes, 4000]  # thousands of tiny blocks alone say nothing more
    silence = np.zeros(round(5.3 * RATE), np.float32)
    sound = np.concatenate((silence, clipped(speech), coarse(speech)))
    expected = [without_wall_clock(e) for e in events_of(small_model, sound)]
    assert sum(event["type"] == "level" for event in expected) >= 3
    assert [without_wall_clock(e) for e in events_of(small_model, sound, sizes)] == expected
