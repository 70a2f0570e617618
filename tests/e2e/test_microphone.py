"""A real microphone: PulseAudio's null sink, spoken into with paplay."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

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


@pytest.mark.slow  # in real time: what other tests do beside moves the sound
@pytest.mark.parametrize("name", CLIPS)
def test_what_is_spoken_into_the_microphone_is_read_as_analyze_reads_it(
    microphone, clip, name, tmp_path
):
    # PulseAudio stalls for some 0.2 s when somebody begins to play: not within the speech.
    sound, rate = sf.read(clip(name))
    spoken = tmp_path / "spoken.wav"
    sf.write(spoken, np.concatenate((np.zeros(rate), sound)), rate)
    process, _ = listening(microphone, "--model", "small")
    subprocess.run(["paplay", "-d", "mic", str(spoken)], env=microphone, check=True)
    events = until(process, "speech.ended")
    process.send_signal(signal.SIGINT)
    events += until(process, "session.ended")
    assert process.wait(20) == 0, process.stderr.read()
    heard = [event for event in events if event.type == "emotion"]
    assert len(heard) >= 3
    analyzed = subprocess.run(
        [*LISTEN[:-1], "analyze", "--model", "small", "--format", "json", str(spoken)],
        capture_output=True,
        text=True,
        check=True,
    )
    channel = json.loads(analyzed.stdout)["channels"][0]
    read = [event["label"] for event in channel["events"] if event["type"] == "emotion"]
    assert dominant(event.label for event in heard) == dominant(read)
    ended = events[-1]
    assert ended.reason == "interrupted"
    assert ended.summary[0].session.dominant == channel["summary"]["dominant"]


@pytest.mark.slow
def test_channels_of_opposite_polarity_are_heard_and_told(microphone, clip, tmp_path):
    voice, rate = sf.read(clip(CLIPS[0]))
    sf.write(tmp_path / "twisted.wav", np.stack([voice, -voice], axis=1), rate)
    subprocess.run(
        ["pactl", "load-module", "module-null-sink", "sink_name=wide", "rate=48000", "channels=2"],
        env=microphone,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    process, _ = listening({**microphone, "PULSE_SOURCE": "wide.monitor"})
    subprocess.run(
        ["paplay", "-d", "wide", str(tmp_path / "twisted.wav")], env=microphone, check=True
    )
    events = until(process, "speech.ended")
    process.send_signal(signal.SIGINT)
    until(process, "session.ended")
    assert process.wait(20) == 0
    assert any(event.type == "emotion" for event in events)
    assert "cancel each other" in process.stderr.read()


@pytest.mark.slow
def test_what_the_computer_plays_is_one_channel_and_the_microphone_the_other(microphone, clip):
    module = ["load-module", "module-null-sink", "sink_name=speakers", "rate=48000"]
    subprocess.run(["pactl", *module], env=microphone, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["pactl", "set-default-sink", "speakers"], env=microphone, check=True)
    devices = ["--device", "pulse", "--device", "loopback", "--participants", "Me,Them"]
    process = subprocess.Popen(
        [*LISTEN, *devices, "--json", "--no-serve"],
        env=microphone,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = parse_event(process.stdout.readline())
    assert (first.channels, first.participants) == (2, ("Me", "Them"))
    heard = {}
    for sink, channel in (("speakers", 1), ("mic", 0)):
        subprocess.run(["paplay", "-d", sink, str(clip(CLIPS[0]))], env=microphone, check=True)
        heard[channel] = until(process, "speech.ended")
    process.send_signal(signal.SIGINT)
    until(process, "session.ended")
    assert process.wait(20) == 0
    for channel, events in heard.items():
        spoken = {e.channel for e in events if e.type in ("speech.started", "emotion")}
        assert spoken == {channel}


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


def plugged(env, module):
    """Load or unload a PulseAudio module."""
    done = subprocess.run(["pactl", *module], env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


SINK = ["load-module", "module-null-sink", "sink_name=mic", "rate=48000", "channels=1"]


@pytest.mark.slow
def test_an_unplugged_microphone_is_waited_for_and_heard_again(microphone, clip):
    process, _ = listening(microphone)
    began = time.monotonic()
    subprocess.run(["paplay", "-d", "mic", str(clip(CLIPS[0]))], env=microphone, check=True)
    events = until(process, "speech.ended")
    plugged(microphone, ["unload-module", "module-null-sink"])
    events += until(process, "gap")
    events += until(process, "gap")  # its time goes on while it is away
    plugged(microphone, SINK)
    said = [process.stderr.readline(), process.stderr.readline()]
    subprocess.run(["paplay", "-d", "mic", str(clip(CLIPS[1]))], env=microphone, check=True)
    events += until(process, "speech.ended")
    passed = 1000 * (time.monotonic() - began)
    process.send_signal(signal.SIGINT)
    events += until(process, "session.ended")
    assert process.wait(20) == 0
    assert said[0].startswith("livemood: microphone 'pulse' stopped delivering sound")
    assert "plug it in again" in said[0]
    assert said[1] == "livemood: microphone 'pulse' is back\n"
    assert process.stderr.read() == ""  # no line of ALSA's, and none of ours twice
    gaps = [e for e in events if e.type == "gap" and e.cause == "device_unplugged"]
    lost = sum(gap.end_ms - gap.start_ms for gap in gaps)
    assert 2000 < lost < passed
    ended = [event for event in events if event.type == "speech.ended"]
    assert len(ended) >= 2
    assert ended[-1].end_ms < passed + 1000  # the clock did not stand still, nor run ahead
    assert ended[-1].start_ms > ended[0].end_ms + lost - 1
    assert events[-1].reason == "interrupted"


@pytest.mark.slow
def test_a_sound_server_that_hangs_holds_nobody_up(microphone, clip):
    # The driver would wait for it for ever, in the call that closes the device.
    process, _ = listening(microphone)
    subprocess.run(["paplay", "-d", "mic", str(clip(CLIPS[0]))], env=microphone, check=True)
    until(process, "speech.ended")
    server = int((Path(microphone["XDG_RUNTIME_DIR"]) / "pulse" / "pid").read_text())
    os.kill(server, signal.SIGSTOP)
    try:
        waiting = process.stderr.readlines(1)
        process.send_signal(signal.SIGINT)
        ended = until(process, "session.ended")[-1]
        assert process.wait(60) == 0
    finally:
        os.kill(server, signal.SIGCONT)
    assert ended.reason == "interrupted"
    said = "".join([*waiting, process.stderr.read()])
    assert "does not answer" in said
    assert "stopped delivering sound" in said


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


def test_more_names_than_the_microphone_has_channels_are_one_clear_line(microphone):
    done = subprocess.run(
        [*LISTEN, "--device", "pulse", "--participants", "Ada,Grace", "--no-serve"],
        env=microphone,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("has 1 channel(s), but --participants names 2")
