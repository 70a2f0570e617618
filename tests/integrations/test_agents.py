"""The voice agents of the examples, with the real frameworks, offline."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from livemood.integrations.voice_agent import UserVoice

ROOT = Path(__file__).resolve().parents[2]
CALM, ANGRY = "03-01-01-01-01-01-12", "03-01-05-02-01-01-12"


@pytest.mark.parametrize(
    ("framework", "example"),
    [("pipecat", "pipecat_agent.py"), ("livekit.agents", "livekit_agent.py")],
)
def test_the_language_model_reads_how_each_turn_sounded(framework, example, clip, tmp_path):
    if importlib.util.find_spec(framework.split(".")[0]) is None:
        extra = framework.split(".")[0]
        pytest.skip(f"needs an environment of its own: pip install '.[{extra}]' pytest")
    paths = []
    for name in (CALM, ANGRY):
        sound, rate = soundfile.read(clip(name))
        paths.append(str(tmp_path / f"{name}.wav"))
        soundfile.write(paths[-1], sound, rate, subtype="PCM_16")
    command = [sys.executable, str(ROOT / "examples" / example), *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    turns = [line for line in done.stdout.splitlines() if "(what was said)" in line]
    assert len(turns) == 2
    # A turn that livemood is uncertain of names no emotion.
    signal = r"\((?:\[emotion (\w+)=0\.\d\d[^]]*\],)?\[arousal value=-?\d\.\d\d\],"
    labels = [re.match(signal, turn).group(1) for turn in turns]
    assert labels[0] != "angry"
    assert labels[1] == "angry"


def pcm(clip, name):
    sound, rate = soundfile.read(clip(name))
    return (np.clip(sound, -1, 1) * 32767).astype("<i2"), rate


def blocks(samples, rate):
    step = rate // 50
    return [samples[i : i + step] for i in range(0, len(samples), step)]


def test_audio_of_two_channels_is_one_voice_and_a_cancelled_one_is_heard(clip):
    samples, rate = pcm(clip, ANGRY)
    summaries = []
    for stereo in (False, True):
        voice = UserVoice()
        for block in blocks(samples, rate):
            sound = np.stack([block, -block], axis=1) if stereo else block
            voice.push(sound.tobytes(), rate, 2 if stereo else 1)
        voice.close()
        summaries.append(voice.end_turn())
    assert summaries[0].label == summaries[1].label == "angry"
    assert summaries[0].speech_s == pytest.approx(summaries[1].speech_s, abs=0.05)


def test_another_rate_begins_a_new_session_and_nothing_is_lost(clip):
    samples, rate = pcm(clip, ANGRY)
    voice = UserVoice()
    for block in blocks(samples, rate):
        voice.push(block.tobytes(), rate, 1)
    for block in blocks(samples[::2], rate // 2):
        voice.push(block.tobytes(), rate // 2, 1)
    voice.close()
    assert voice.end_turn().speech_s > 2


def test_silence_is_no_turn():
    voice = UserVoice()
    for _ in range(100):
        voice.push(bytes(640), 16_000, 1)
    voice.close()
    assert voice.end_turn() is None
