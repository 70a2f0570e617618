"""The Python API, as the README shows it."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

import livemood
from livemood.timeline.events import without_wall_clock


def test_listen_yields_events_and_analyze_the_same(short_file):
    heard = list(livemood.listen(short_file, speed=None))
    timeline = livemood.analyze(short_file)
    assert [without_wall_clock(e) for e in heard] == [
        without_wall_clock(e) for e in timeline.events
    ]
    assert timeline.segments(channel=0)


def test_leaving_the_loop_ends_the_session(demo_file):
    before = threading.active_count()
    events = livemood.listen(demo_file)
    assert next(events).type == "session.started"
    events.close()
    assert threading.active_count() == before


def test_what_cannot_work_is_said_before_the_first_event(tmp_path):
    with pytest.raises(livemood.LivemoodError, match="no file"):
        livemood.listen(tmp_path / "none.wav")
    with pytest.raises(livemood.LivemoodError, match="no file"):
        livemood.analyze(tmp_path / "none.wav")
    with pytest.raises(livemood.LivemoodError, match="no model"):
        livemood.load_model("nothing")


PUBLIC = """
AnyEvent AudioBlock Busy ChannelSummary ConnectError DeviceError Emotion EmotionModel ErrorEvent
Event Evidence FileError Fused Fusion Gap GateSettings LateFusion Level LivemoodError Load Marker
Model ModelError MonitorSettings Observation PluginError Prediction Producer ProtocolError Segment
Session SessionEnded SessionStarted Sink SmootherSettings Source SourceError SpeechEnded
SpeechStarted StreamingEmotionModel Summary Timeline UsageError VoiceActivityDetector WindowSettings
Words __version__ analyze connect listen load_model parse_event
"""
"""Removing one takes a major version: see docs/reference/compatibility.md."""


def test_public_names_are_pinned_and_resolve():
    assert set(livemood.__all__) == set(PUBLIC.split())
    for name in livemood.__all__:
        assert getattr(livemood, name) is not None
        assert name in dir(livemood)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = livemood.nonsense


def test_public_names_say_what_they_are():
    for name in livemood.__all__:
        found = getattr(livemood, name)
        if isinstance(found, type) or callable(found):
            assert (found.__doc__ or "").strip(), f"{name} has no docstring"


def test_every_error_is_drawn_in_its_modules_docstring():
    from livemood import errors

    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    for name, kind in kinds.items():
        assert issubclass(kind, livemood.LivemoodError)
        assert f" {name} " in errors.__doc__.replace("─", " ")
        assert getattr(livemood, name) is kind


def test_a_file_fails_alike_whichever_way_it_is_read(tmp_path):
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(b"RIFF" + bytes(40))
    for path in (damaged, tmp_path / "none.wav"):
        kinds = []
        for way in (livemood.analyze, livemood.listen):
            with pytest.raises(livemood.FileError) as failed:
                list(way(path).events if way is livemood.analyze else way(path))
            kinds.append(type(failed.value))
        assert kinds[0] is kinds[1]


async def test_connect_is_an_async_iterator_of_a_running_monitor(short_file):
    from livemood.engine import MonitorSettings, run
    from livemood.server import ServerThread
    from livemood.sources import FileSource

    with ServerThread(0) as server:
        source = FileSource(short_file, speed=8.0)
        settings, model = MonitorSettings(budget_s=60.0), livemood.load_model()
        running = asyncio.to_thread(run, source, model, settings, [server.publish])
        session = asyncio.ensure_future(running)
        events = [event async for event in livemood.connect(server.url)]
        assert await session is None
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "session.ended"


def test_a_reading_leaves_nothing_in_the_home_folder_and_sends_nothing(short_file, tmp_path):
    """ONNX Runtime would leave telemetry there, to be uploaded."""
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    env = {n: v for n, v in os.environ.items() if n != "ORT_DISABLE_TELEMETRY"} | home
    code = f"import livemood; print(livemood.analyze({str(short_file)!r}).segments(0)[0].label)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
