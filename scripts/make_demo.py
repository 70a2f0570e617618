"""Synthesises the demo conversation with espeak-ng: `python scripts/make_demo.py`.

Two synthetic speakers, one on each channel, with pauses. Writes demo.opus and demo-words.json into
src/livemood/assets: the sound, and who says what when. Needs Debian's espeak-ng.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

RATE = 48000
ASSETS = Path(__file__).resolve().parent.parent / "src" / "livemood" / "assets"
OUT, WORDS = ASSETS / "demo.opus", ASSETS / "demo-words.json"
BEFORE_S = 0.5
"""Silence before the first word."""

# Channel, voice, words a minute, pitch (0 to 99), amplitude, silence after in s, text.
LINES = [
    (0, "en-us+f3", 150, 45, 80, 0.9, "Good morning, this is the clinic. How can I help you?"),
    (1, "en-gb+m3", 125, 22, 55, 1.1, "Hello. I called last week already. I am still waiting."),
    (0, "en-us+f3", 155, 48, 80, 0.8, "I am sorry to hear that. Let me look at your appointment."),
    (1, "en-gb+m3", 215, 68, 150, 0.7, "This is the third time! Nobody ever calls me back!"),
    (0, "en-us+f3", 135, 40, 70, 1.2, "I understand. One moment please, I will find it at once."),
    (1, "en-gb+m3", 190, 80, 110, 0.9, "What, really? Tomorrow morning? I did not expect that!"),
    (0, "en-us+f3", 175, 70, 110, 0.8, "Yes! Tomorrow at nine. It is all arranged for you."),
    (1, "en-gb+m3", 180, 62, 100, 1.0, "That is wonderful, thank you so much! You made my day."),
    (0, "en-us+f3", 165, 60, 95, 1.0, "You are very welcome. See you tomorrow, and good bye."),
]


def speak(voice, rate, pitch, amplitude, text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        options = ["-v", voice, "-s", str(rate), "-p", str(pitch), "-a", str(amplitude)]
        subprocess.run(["espeak-ng", *options, "-w", str(path), text], check=True)
        sound, source_rate = sf.read(path, dtype="float32")
    return soxr.resample(sound, source_rate, RATE)


def ms(samples):
    return round(1000 * samples / RATE)


def main():
    channels = ([], [])
    rng = np.random.default_rng(7)
    words, at = [], round(BEFORE_S * RATE)
    for channel, voice, rate, pitch, amplitude, pause, text in LINES:
        line = 0.7 * speak(voice, rate, pitch, amplitude, text)
        part = np.concatenate([line, np.zeros(round(pause * RATE), np.float32)])
        channels[channel].append(part)
        channels[1 - channel].append(np.zeros_like(part))
        span = {"start_ms": ms(at), "end_ms": ms(at + len(line))}
        words.append({"channel": channel, **span, "text": text})
        at += len(part)
    sound = np.stack([np.concatenate(parts) for parts in channels], axis=1)
    sound = np.concatenate([np.zeros((round(BEFORE_S * RATE), 2), np.float32), sound])
    sound += (2e-4 * rng.standard_normal(sound.shape)).astype(np.float32)  # a quiet line's hiss
    sf.write(OUT, sound, RATE, format="OGG", subtype="OPUS", compression_level=0.9)
    lines = ",\n".join(json.dumps(each) for each in words)
    WORDS.write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"{OUT.name}: {len(sound) / RATE:.1f} s, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
