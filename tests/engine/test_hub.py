"""Many sessions in one hub: each reads as if it were alone, and none harms another."""

import sys
import threading
import time

import numpy as np
import pytest
import soundfile as sf

from livemood.audio import AudioBlock
from livemood.engine import Hub, MonitorSettings, SessionCore
from livemood.engine.batching import run_alone
from livemood.engine.hub import Busy
from livemood.errors import LivemoodError
from livemood.timeline.events import without_wall_clock

CLIPS = ["03-01-05-02-01-01-20", "03-01-04-01-02-02-11", "03-01-08-02-02-01-01"]
SETTINGS = MonitorSettings(budget_s=60.0)
WAIT_S = 60


@pytest.fixture(scope="module")
def sounds(clip):
    return [sf.read(clip(name), dtype="float32", always_2d=True)[0] for name in CLIPS]


def about(_sound):
    return {"source": "test", "sample_rate": 16000, "channels": 1}


def blocks(sound):
    for at in range(0, len(sound), 320):
        yield AudioBlock(at, sound[at : at + 320], time.monotonic())


def alone(model, sound):
    events = []
    monitor = SessionCore(model, SETTINGS, **about(sound), live=False, sinks=[events.append])
    for block in blocks(sound):
        monitor.push(block)
        monitor.process()
    monitor.finish()
    return events


def alike(ours, theirs):
    assert [(e.type, e.start_ms, e.end_ms) for e in ours] == [
        (e.type, e.start_ms, e.end_ms) for e in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        if one.type == "emotion":
            assert one.label == other.label
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-3)


def test_patience_changes_when_sound_is_heard_and_not_what_is_found(model, sounds):
    pause = np.zeros((8000, 1), np.float32)
    sound = np.concatenate([part for each in sounds for part in (each, pause)])
    heard, listened = {0.0: [], Hub.PATIENCE_S: []}, {}
    for patience_s, events in heard.items():
        core = SessionCore(model, SETTINGS, **about(sound), live=False, sinks=[events.append])
        listened[patience_s] = 0
        for block in blocks(sound):
            if core.push(block):
                listened[patience_s] += 1
                for inference in core.inferences(patience_s):
                    run_alone(inference, core._model)
        core.finish()
    at_once, patient = ([without_wall_clock(e) for e in events] for events in heard.values())
    assert patient == at_once
    assert listened[Hub.PATIENCE_S] < 0.8 * listened[0.0]


def test_sessions_side_by_side_read_as_alone(model, sounds):
    with Hub(model) as hub:
        heard = [[] for _ in range(12)]
        sessions = [hub.open(SETTINGS, **about(None), sinks=[events.append]) for events in heard]
        assert hub.sessions == 12

        def push(number):
            for block in blocks(sounds[number % len(sounds)]):
                sessions[number].push(block)
            sessions[number].finish()

        threads = [threading.Thread(target=push, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        assert all(session.ended.wait(WAIT_S) for session in sessions)
    expected = [alone(model, sound) for sound in sounds]
    for number, events in enumerate(heard):
        alike(events, expected[number % len(sounds)])
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert len({e.session for e in events}) == 1
    assert len({events[0].session for events in heard}) == 12


def test_a_sink_that_fails_ends_its_own_session_only(model, sounds):
    def broken(event):
        if event.type == "emotion":
            raise RuntimeError("no room")

    events = []
    with Hub(model) as hub:
        bad = hub.open(SETTINGS, **about(None), sinks=[broken])
        good = hub.open(SETTINGS, **about(None), sinks=[events.append])
        for one, other in zip(blocks(sounds[0]), blocks(sounds[0]), strict=True):
            bad.push(one)
            good.push(other)
        good.finish()
        assert good.ended.wait(WAIT_S)
        bad.finish()
        assert bad.ended.wait(WAIT_S)
    alike(events, alone(model, sounds[0]))


def test_closing_the_hub_ends_every_session_in_order(model, sounds):
    events = []
    with Hub(model) as hub:
        session = hub.open(SETTINGS, **about(None), sinks=[events.append])
        for block in blocks(sounds[0]):
            session.push(block)
    assert session.ended.is_set()
    assert events[-1].type == "session.ended"
    assert events[-1].reason == "interrupted"
    assert any(e.type == "emotion" for e in events), "what was pushed before is read"
    session.push(AudioBlock(0, np.zeros((320, 1), np.float32), 0.0))
    assert events[-1].type == "session.ended"


def test_a_busy_hub_says_when_to_come_back(model):
    with Hub(model) as hub:
        hub.load = 0.95
        with pytest.raises(Busy, match="try again in") as busy:
            hub.open(SETTINGS, **about(None), sinks=[])
    assert busy.value.retry_after_s > 0


def test_a_failure_of_the_source_is_said_in_the_session(model, sounds):
    events = []
    with Hub(model) as hub:
        session = hub.open(SETTINGS, **about(None), sinks=[events.append])
        for block in blocks(sounds[0]):
            session.push(block)
        session.finish(failure="the caller hung up")
        session.finish()
        assert session.ended.wait(WAIT_S)
        assert hub.sessions in (0, 1)  # taken off the list after its last event
    assert [e.type for e in events[-2:]] == ["error", "session.ended"]
    assert events[-2].message == "the caller hung up"
    assert events[-1].reason == "error"


def test_markers_are_numbered_like_all_events_and_refused_after_the_end(model, sounds):
    events = []
    with Hub(model) as hub:
        session = hub.open(SETTINGS, **about(None), sinks=[events.append], session="mine")
        session.push(AudioBlock(0, sounds[0][:16000], time.monotonic()))
        marker = session.mark("a word").result(WAIT_S)
        earlier = session.mark("another", at_ms=250).result(WAIT_S)
        session.finish(failure="no sound came", code="idle")
        assert session.ended.wait(WAIT_S)
        with pytest.raises(LivemoodError, match="has ended"):
            session.mark("too late")
    assert (marker.start_ms, marker.end_ms, marker.channel) == (1000, 1000, None)
    assert earlier.start_ms == 250
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert marker in events
    assert {e.session for e in events} == {"mine"}
    assert events[-2].code == "idle"


def test_channels_whose_sound_comes_apart_read_as_those_that_come_together(model, demo_file):
    samples, rate = sf.read(demo_file, dtype="float32", always_2d=True)
    samples = np.repeat(samples[: 12 * rate, :1], 2, axis=1)
    samples[: 3 * rate, 1] = 0.0
    heard = []
    for apart in (False, True):
        events = heard.append([]) or heard[-1]
        monitor = SessionCore(
            model,
            MonitorSettings(),
            source="test",
            sample_rate=rate,
            channels=2,
            live=False,
            sinks=[events.append],
        )
        step = rate // 50
        for at in range(0, len(samples), step):
            block = samples[at : at + step]
            if apart:
                monitor.push(AudioBlock(at, block[:, :1], 0.0, channel=0))
                monitor.push(AudioBlock(at, block[:, 1:], 0.0, channel=1))
            else:
                monitor.push(AudioBlock(at, block, 0.0))
            monitor.process()
        monitor.finish()
    for channel in (0, 1):
        whole, parts = (
            [without_wall_clock(e) | {"seq": 0} for e in events if e.channel == channel]
            for events in heard
        )
        assert whole == parts
        assert any(e["type"] == "emotion" for e in whole)


def test_what_fails_in_one_session_ends_that_one_alone(model, sounds, monkeypatch):
    with Hub(model) as hub:
        heard, hurt = [], []
        whole = hub.open(SETTINGS, **about(None), sinks=[heard.append])
        broken = hub.open(SETTINGS, **about(None), sinks=[hurt.append])

        def fail():
            raise RuntimeError("what nobody thought of")

        monkeypatch.setattr(broken._core, "inferences", fail)
        for block in blocks(sounds[0]):
            broken.push(block)
            whole.push(block)
        assert broken.ended.wait(WAIT_S)
        whole.finish()
        assert whole.ended.wait(WAIT_S)
    assert [e.code for e in hurt if e.type == "error"] == ["source_failed"]
    assert hurt[-1].type == "session.ended"
    alike(heard, alone(model, sounds[0]))


def test_a_detector_that_fails_ends_its_own_session_in_order(model, sounds):
    class Failing:
        frame_length = 320

        def probabilities(self, samples):
            raise RuntimeError("out of order")

        def reset(self):
            pass

    hurt, heard = [], []
    with Hub(model) as hub:
        broken = hub.open(SETTINGS, **about(None), sinks=[hurt.append], vad=Failing)
        whole = hub.open(SETTINGS, **about(None), sinks=[heard.append])
        for block in blocks(sounds[0]):
            broken.push(block)
            whole.push(block)
        assert broken.ended.wait(WAIT_S)
        whole.finish()
        assert whole.ended.wait(WAIT_S)
    assert [e.type for e in hurt] == ["session.started", "error", "session.ended"]
    assert hurt[-1].reason == "error"
    alike(heard, alone(model, sounds[0]))


def test_a_session_is_queued_once_however_many_tell_of_it_at_once(model):
    """Queued twice, it would be read twice in one round, by two inferences of one state."""
    hub = Hub(model)  # its thread does not run: what is queued stays
    session = hub.open(SETTINGS, **about(None), sinks=[])
    together = threading.Barrier(4)

    def let_others_run(frame, event, _):
        if frame.f_code.co_name == "_tell":
            time.sleep(0.001)  # before each line of it, so that all threads are on it at once
            return let_others_run
        return None

    def tell():
        sys.settrace(let_others_run)
        together.wait()
        session._tell()
        sys.settrace(None)

    for _ in range(5):
        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(hub._queue) == [session]
        hub._queue.clear()
        session.inferences()
