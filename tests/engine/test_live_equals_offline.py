"""The same sound gives the same events, live or offline, whatever the sizes of blocks."""

import functools
import threading

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livemood.audio import AudioBlock
from livemood.engine import MonitorSettings, SessionCore, analyze_file, run
from livemood.sources import FileSource
from livemood.timeline.events import without_wall_clock

CLIPS = ["03-01-05-02-01-01-20", "03-01-04-01-02-02-11", "03-01-08-02-02-01-01"]
QUIET = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


SLOW = pytest.mark.slow
RATES = [pytest.param(8000, marks=SLOW), 16000, pytest.param(44100, marks=SLOW), 48000]


@pytest.fixture(scope="module", params=RATES)
def conversation(request, corpora, clip, tmp_path_factory):
    """Three clips of real speech with a pause, at several rates."""
    import soxr

    parts = []
    for name in CLIPS:
        sound, rate = sf.read(clip(name), dtype="float32")
        parts += [soxr.resample(sound, rate, request.param), np.zeros(request.param, np.float32)]
    path = tmp_path_factory.mktemp("speech") / f"conversation-{request.param}.wav"
    sf.write(path, np.concatenate(parts), request.param, subtype="FLOAT")
    return path


def in_blocks(path, model, sizes):
    """The events of `path` pushed as blocks of the given sizes, over and over."""
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    events = []
    monitor = SessionCore(
        model,
        MonitorSettings(),
        source=path.name,
        sample_rate=rate,
        channels=sound.shape[1],
        live=False,
        sinks=[events.append],
    )
    at = 0
    while at < len(sound):
        size = sizes[len(events) % len(sizes)] if not at else sizes[(at * 7919) % len(sizes)]
        block = sound[at : at + size]
        monitor.push(AudioBlock(at, block, 0.0))
        monitor.process()
        at += len(block)
    monitor.finish()
    return [without_wall_clock(event) for event in events]


@functools.cache
def analyzed(path, model):
    timeline, failure = analyze_file(path, model)
    assert failure is None
    return timeline.events


def offline(path, model):
    return [without_wall_clock(event) for event in analyzed(path, model)]


def test_real_speech_gives_emotions(conversation, model):
    kinds = [event["type"] for event in offline(conversation, model)]
    assert kinds[0] == "session.started"
    assert kinds[-1] == "session.ended"
    assert kinds.count("speech.started") == kinds.count("speech.ended") >= len(CLIPS)
    assert kinds.count("emotion") >= 5 * len(CLIPS)
    assert kinds.count("segment") >= len(CLIPS)


@QUIET
@given(sizes=st.lists(st.integers(1, 10_000), min_size=1, max_size=8))
def test_events_do_not_depend_on_block_sizes(conversation, model, sizes):
    if max(sizes) < 50:
        sizes = [*sizes, 4000]  # thousands of tiny blocks alone say nothing more
    assert in_blocks(conversation, model, sizes) == offline(conversation, model)


def test_listening_at_full_speed_equals_analysis(conversation, model):
    events = []
    source = FileSource(conversation, block_s=0.013)
    assert run(source, model, MonitorSettings(), [events.append]) is None
    assert [without_wall_clock(event) for event in events] == offline(conversation, model)


@pytest.mark.parametrize("block_s", [0.0007, 0.21, pytest.param(0.02, marks=SLOW)])
def test_listening_as_time_passes_equals_analysis(corpora, clip, model, block_s):
    # The budget is generous: what a busy machine makes late must not fail this test. It is
    # part of the settings that the first event names, so that event is compared without.
    path = clip(CLIPS[0])
    events = []
    source = FileSource(path, speed=4.0, block_s=block_s)
    assert run(source, model, MonitorSettings(budget_s=60.0), [events.append]) is None
    heard = [without_wall_clock(event) for event in events]
    expected = offline(path, model)
    assert heard[0].pop("settings")["budget_ms"] == 60_000
    assert expected[0].pop("settings")["budget_ms"] is None
    assert heard == expected


def test_interrupting_closes_what_is_open(clip, model):
    stop = threading.Event()
    events = []

    def sink(event):
        events.append(event)
        if event.type == "emotion":
            stop.set()

    source = FileSource(clip(CLIPS[0]), speed=4.0)
    assert run(source, model, MonitorSettings(budget_s=60.0), [sink], stop) is None
    kinds = [event.type for event in events]
    assert kinds[-3:] == ["segment", "speech.ended", "session.ended"]
    assert events[-1].reason == "interrupted"
    assert events[-1].summary[0].session.shares
