"""Readings of real speech say how the voice differs from its usual."""

import numpy as np
import pytest
import soundfile as sf

from livemood.audio import AudioBlock, Span
from livemood.engine import MonitorSettings, SessionCore
from livemood.engine.channel.voice_tracker import VoiceTracker
from livemood.timeline.events import without_wall_clock

RATE = 16000


@pytest.fixture(scope="module")
def calm_then_angry(corpora):
    """Half a minute of an actor who speaks neutrally and calmly, then angrily, with pauses."""
    folder, silence = corpora / "ravdess" / "audio", np.zeros(RATE, np.float32)
    usual = [f"03-01-0{e}-01-0{s}-0{r}-02" for e in (1, 2) for s in (1, 2) for r in (1, 2)]
    angry = [f"03-01-05-02-0{s}-0{r}-02" for s in (1, 2) for r in (1, 2)]
    clips = [sf.read(folder / f"{name}.flac", dtype="float32")[0] for name in usual + angry]
    begins = sum(len(clip) + len(silence) for clip in clips[: len(usual)])
    return np.concatenate([part for clip in clips for part in (clip, silence)]), begins / RATE


def readings(sound, model, block=320, **settings):
    events = []
    session = SessionCore(
        model,
        MonitorSettings(**settings),
        source="test",
        sample_rate=RATE,
        channels=1,
        live=False,
        sinks=[events.append],
    )
    for start in range(0, len(sound), block):
        session.push(AudioBlock(start, sound[start : start + block, np.newaxis], 0.0))
        session.process()
    session.finish()
    return [event for event in events if event.type == "emotion"]


def test_an_angry_voice_is_louder_than_it_was(calm_then_angry, small_model):
    sound, begins = calm_then_angry
    found = [e for e in readings(sound, small_model) if e.voice]
    assert found
    assert all(e.voice.usual_s >= 10 for e in found)
    angry = [e.voice for e in found if e.start_ms > 1000 * begins]
    assert any("louder" in voice.words for voice in angry)
    assert max(voice.level_db for voice in angry) > 10
    usual = [e.voice for e in found if e.end_ms < 1000 * begins]
    assert sum("louder" in voice.words for voice in usual) <= len(usual) / 4


def test_what_is_told_does_not_hang_on_the_sizes_of_blocks(calm_then_angry, small_model):
    sound, _ = calm_then_angry
    small, large = (readings(sound, small_model, block) for block in (160, 7001))
    assert [without_wall_clock(e) for e in small] == [without_wall_clock(e) for e in large]


def test_nothing_is_related_to_the_voice_if_no_baseline_is_wanted(calm_then_angry, small_model):
    sound, _ = calm_then_angry
    assert all(e.voice is None for e in readings(sound, small_model, baseline=False))


def test_sound_that_is_no_speech_is_never_taken_for_the_voice():
    """A window reaches back three seconds: laughter before it was skipped once and for all."""
    asked = []

    def read(span):
        asked.append(span)
        return np.zeros(len(span), np.float32)

    tracker = VoiceTracker(("neutral", "happy"), read)
    tracker.begin(0)
    tracker.take(Span(0, 16_000), np.array([1.0, 0.0]))
    tracker.skip(Span(0, 24_000))
    tracker.take(Span(0, 32_000), np.array([1.0, 0.0]))
    assert asked == [Span(0, 16_000), Span(24_000, 32_000)]
