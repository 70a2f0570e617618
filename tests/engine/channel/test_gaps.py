"""Lost sound is a gap with a span and never shifts the clock."""

import numpy as np
import pytest
import soundfile as sf

from livemood.audio import AudioBlock, Overrun, RingBuffer, Span
from livemood.engine import MonitorSettings, SessionCore
from livemood.engine.channel.intake import Intake


@pytest.fixture
def sound(clip):
    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32", always_2d=True)
    assert rate == 16000
    return samples


def listen(model, blocks, rate=16000):
    events = []
    monitor = SessionCore(
        model,
        MonitorSettings(),
        source="test",
        sample_rate=rate,
        channels=1,
        live=False,
        sinks=[events.append],
    )
    for block in blocks:
        monitor.push(block)
        monitor.process()
    monitor.finish()
    return events


def blocks_without(sound, lost, cause="lost"):
    """The sound in blocks of 20 ms, less those that begin within the span `lost`."""
    return [
        AudioBlock(at, sound[at : at + 320], 0.0, cause)
        for at in range(0, len(sound), 320)
        if at not in range(*lost)
    ]


def of(events, kind):
    return [event for event in events if event.type == kind]


def test_a_short_gap_is_named_and_leaves_the_speech_whole(model, sound):
    events = listen(model, blocks_without(sound, (24000, 25600)))
    (gap,) = of(events, "gap")
    assert (gap.start_ms, gap.end_ms, gap.samples, gap.cause) == (1500, 1600, 1600, "lost")
    assert len(of(events, "speech.started")) == 1
    assert events[-1].end_ms == round(len(sound) / 16)
    assert events[-1].summary[0].gap_ms == 100


def test_a_long_gap_ends_the_speech_before_it_and_the_clock_goes_on(model, sound):
    twice = np.concatenate([sound, np.zeros((160000, 1), np.float32), sound])
    second = len(sound) + 160000
    # Sound is lost from the middle of the first clip until shortly before the second begins.
    middle = 30720  # where a hop ends: what is lost behind it was heard whole before
    back = second - second % 320 - 32000
    events = listen(model, blocks_without(twice, (middle, back)))
    ended = of(events, "speech.ended")
    started = of(events, "speech.started")
    assert ended[0].end_ms <= middle / 16
    assert started[1].start_ms >= back / 16
    (gap,) = of(events, "gap")
    assert gap.start_ms == middle / 16
    # What the second clip sounds like is said at its own place in time.
    whole = listen(model, blocks_without(twice, (0, 0)))
    expected = [e.label for e in of(whole, "emotion") if e.start_ms > gap.end_ms]
    assert [e.label for e in of(events, "emotion") if e.start_ms > gap.end_ms] == expected
    assert events[-1].end_ms == round(len(twice) / 16)


def test_a_writer_that_laps_the_reader_leaves_an_overrun(model, sound):
    events = []
    monitor = SessionCore(
        model,
        MonitorSettings(buffer_s=2.0),
        source="test",
        sample_rate=16000,
        channels=1,
        live=False,
        sinks=[events.append],
    )
    long = np.concatenate([sound] * 3)  # 12 s into a ring of 5 s, unread
    monitor.push(AudioBlock(0, long, 0.0))
    monitor.process()
    monitor.finish()
    (gap,) = of(events, "gap")
    assert gap.cause == "overrun"
    assert gap.start_ms == 0
    assert gap.samples == len(long) - 5 * 16000
    assert events[-1].end_ms == round(len(long) / 16)
    assert of(events, "emotion"), "what is still in the ring is read"


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("hole_s", [0.25, 7.0])
def test_the_clock_survives_gaps_at_any_rate(rate, hole_s):
    intake = Intake(rate, 16000, 20.0)
    block = np.ones((rate, 1), np.float32)
    start = rate + round(hole_s * rate)
    intake.push(AudioBlock(0, block, 1.0))
    intake.push(AudioBlock(start, block, 2.0 + hole_s))
    intake.flush()
    assert intake.ring.end == round((start + rate) * 16000 / rate)
    lost = intake.lost[0].span
    assert lost.start == 16000
    assert abs(len(lost) - hole_s * 16000) <= 1
    assert abs(intake.captured_at(intake.ring.end) - (2.0 + hole_s)) < 1e-3
    middle = (lost.start + lost.end) // 2
    try:
        assert np.abs(intake.ring.read(Span(middle, middle + 160))).max() < 0.1
    except Overrun:  # pragma: no cover - the ring is long enough
        pytest.fail("the ring should hold all")


def test_sound_that_is_no_number_becomes_a_gap(model, sound, tmp_path):
    from livemood.engine import analyze_file

    broken = sound.copy()
    broken[30000:31000] = np.nan
    broken[-500:] = np.inf
    path = tmp_path / "nan.wav"
    sf.write(path, broken, 16000, subtype="FLOAT")
    timeline, failure = analyze_file(path, model)
    assert failure is None
    gaps = of(timeline.events, "gap")
    assert [(g.cause, g.samples) for g in gaps] == [("not_finite", 1000), ("not_finite", 500)]
    assert of(timeline.events, "emotion")
    assert timeline.events[-1].end_ms == round(len(sound) / 16)


def test_silence_is_silence(model):
    events = listen(model, [AudioBlock(0, np.zeros((80000, 1), np.float32), 0.0)])
    assert [e.type for e in events] == ["session.started", "level", "session.ended"]
    assert events[1].problems == ("dead",)
    assert events[-1].summary[0].session.shares == {}


def test_every_channel_is_a_stream_of_its_own(model, sound):
    stereo = np.concatenate([sound, np.zeros_like(sound)], axis=1)
    events = []
    monitor = SessionCore(
        model,
        MonitorSettings(),
        source="test",
        sample_rate=16000,
        channels=2,
        live=False,
        sinks=[events.append],
    )
    monitor.push(AudioBlock(0, stereo, 0.0))
    monitor.process()
    monitor.finish()
    assert {e.channel for e in of(events, "emotion")} == {0}
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert len(events[-1].summary) == 2


def test_the_ring_is_bounded():
    ring = RingBuffer(100)
    ring.skip(10**6)
    assert ring.end == 10**6
    with pytest.raises(Overrun):
        ring.read(Span(0, 10))


def test_long_silence_lets_the_smoother_forget(model, sound):
    """After a minute of silence the same words are read as if nothing had been said before."""
    # Both begin at the same place of the grid of blocks (240 ms), which is that of windows, too.
    # A room that is quiet, but not so quiet that it is taken for digital silence at times.
    sound = sound + np.random.default_rng(1).normal(0, 1e-4, sound.shape).astype(np.float32)
    quiet = np.zeros((270 * 3840 - len(sound), 1), np.float32)
    blocks = np.concatenate([sound, quiet, sound])
    events = listen(
        model, [AudioBlock(i, blocks[i : i + 1600], 0.0) for i in range(0, len(blocks), 1600)]
    )
    readings = of(events, "emotion")
    first = readings[0]
    again = next(e for e in readings if e.start_ms > 60_000)
    assert again.raw_probabilities == pytest.approx(first.raw_probabilities, abs=0.05)
    assert again.probabilities == pytest.approx(first.probabilities, abs=0.05)


def test_a_block_without_samples_says_that_sound_was_lost(model, sound):
    blocks = blocks_without(sound, (24000, 10**9))
    nothing = np.empty((0, 1), np.float32)
    events = listen(model, [*blocks, AudioBlock(40000, nothing, 0.0, "no_packets")])
    (gap,) = of(events, "gap")
    assert (gap.start_ms, gap.end_ms, gap.cause) == (1500, 2500, "no_packets")
    assert of(events, "speech.ended")
    assert events[-1].end_ms == 2500
