"""A real microphone: PulseAudio's null sink, spoken into with paplay."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from livemood.timeline.events import parse_event

pytestmark = pytest.mark.e2e

LISTEN = [sys.executable, "-m", "livemood", "listen"]
# Recordings of actors whom the model never heard, each read as another label with confidence:
# fear, angry, disgust, surprise. Where two labels are close, the place of the window grid decides.
CLIPS = [
    "03-01-06-02-01-01-01",
    "03-01-05-02-01-01-21",
    "03-01-07-02-01-01-11",
    "03-01-08-02-01-01-20",
]


@pytest.fixture(scope="module")
def microphone(tmp_path_factory):
    """The environment in which device `pulse` hears the sink `mic`."""
    for program in ("pulseaudio", "paplay", "pactl"):
        if not shutil.which(program):
            pytest.skip(f"no {program}: install pulseaudio and pulseaudio-utils")
    folder = tmp_path_factory.mktemp("pulse")
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    env["PULSE_SOURCE"] = "mic.monitor"
    server = subprocess.Popen(
        [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "-L",
            "module-native-protocol-unix auth-anonymous=1",
            "-L",
            "module-null-sink sink_name=mic rate=48000 channels=1",
        ],
        env=env,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(100):
        ready = subprocess.run(["pactl", "info"], env=env, capture_output=True, check=False)
        if ready.returncode == 0:
            break
        # pactl itself waits for the connection; the server announces readiness by nothing else.
        assert server.poll() is None, "PulseAudio ended"
    else:
        pytest.fail("PulseAudio did not answer")
    yield env
    server.terminate()
    server.wait(10)


def listening(env, *arguments):
    """A listener that has begun: its session.started has been read."""
    process = subprocess.Popen(
        [*LISTEN, "--device", "pulse", "--json", "--no-serve", *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = parse_event(process.stdout.readline())
    assert first.type == "session.started"
    assert first.source == "pulse"
    return process, first


def until(process, kind):
    """Events up to and including the next one of a kind."""
    events = []
    for line in process.stdout:
        events.append(parse_event(line))
        if events[-1].type == kind:
            return events
    return events


def dominant(labels):
    return Counter(labels).most_common(1)[0][0]


@pytest.mark.parametrize(
    "name", [CLIPS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in CLIPS[1:])]
)
def test_what_is_spoken_into_the_microphone_is_read_as_analyze_reads_it(
    microphone, clip, name, tmp_path
):
    process, _ = listening(microphone)
    subprocess.run(["paplay", "-d", "mic", str(clip(name))], env=microphone, check=True)
    events = until(process, "speech.ended")
    process.send_signal(signal.SIGINT)
    events += until(process, "session.ended")
    assert process.wait(20) == 0
    heard = [event for event in events if event.type == "emotion"]
    assert len(heard) >= 3
    analyzed = subprocess.run(
        [*LISTEN[:-1], "analyze", str(clip(name))], capture_output=True, text=True, check=True
    )
    channel = json.loads(analyzed.stdout)["channels"][0]
    read = [event["label"] for event in channel["events"] if event["type"] == "emotion"]
    assert dominant(event.label for event in heard) == dominant(read)
    ended = events[-1]
    assert ended.reason == "interrupted"
    assert ended.summary[0].session.dominant == channel["summary"]["dominant"]


@pytest.mark.slow
def test_a_microphone_that_stalls_leaves_gaps_and_the_clock_keeps_time(microphone, clip):
    process, _ = listening(microphone)
    subprocess.run(["paplay", "-d", "mic", str(clip(CLIPS[0]))], env=microphone, check=True)
    events = until(process, "speech.ended")
    began = time.monotonic()
    for _ in range(2):
        for suspended, seconds in (("1", 1.5), ("0", 1.0)):
            subprocess.run(["pactl", "suspend-sink", "mic", suspended], env=microphone, check=True)
            time.sleep(seconds)  # the stall itself
    stalled = time.monotonic() - began
    subprocess.run(["paplay", "-d", "mic", str(clip(CLIPS[0]))], env=microphone, check=True)
    events += until(process, "speech.started")
    passed = 1000 * (time.monotonic() - began)
    process.send_signal(signal.SIGINT)
    events += until(process, "session.ended")
    assert process.wait(20) == 0
    # A busy machine may let the sound server stall a little more.
    gaps = [e for e in events if e.type == "gap" and e.end_ms - e.start_ms > 1000]
    assert [gap.cause for gap in gaps] == ["device_stalled"] * 2
    assert 3000 <= sum(gap.end_ms - gap.start_ms for gap in gaps) < 1000 * stalled
    ended, started = (
        [e for e in events if e.type == kind] for kind in ("speech.ended", "speech.started")
    )
    # The second speech was spoken, and found, before this side had read of it.
    assert ended[0].end_ms + 1000 * stalled - 500 < started[-1].start_ms < ended[0].end_ms + passed


@pytest.mark.slow
def test_unplugging_ends_the_session_with_an_event_and_loses_nothing(microphone, clip):
    process, _ = listening(microphone)
    subprocess.run(["paplay", "-d", "mic", str(clip(CLIPS[0]))], env=microphone, check=True)
    events = until(process, "speech.ended")
    subprocess.run(["pactl", "unload-module", "module-null-sink"], env=microphone, check=True)
    events += until(process, "session.ended")
    assert process.wait(20) == 1
    error = next(event for event in events if event.type == "error")
    assert error.fatal
    assert "unplugged" in error.message
    assert events[-1].reason == "error"
    assert events[-1].summary[0].session.shares
    last = process.stderr.read().splitlines()[-1]
    assert last.startswith("livemood: microphone 'pulse'")
    subprocess.run(
        ["pactl", "load-module", "module-null-sink", "sink_name=mic", "rate=48000", "channels=1"],
        env=microphone,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def test_an_unknown_device_is_one_clear_line(microphone):
    done = subprocess.run(
        [*LISTEN, "--device", "no such thing", "--no-serve"],
        env=microphone,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no such thing" in line
    assert "pulse" in line
