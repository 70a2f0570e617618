"""Fits the network that tells speech from tones, music and clicks; writes its numbers.

`python scripts/train_discriminator.py` writes src/livemood/assets/discriminator.json. The speech
is LibriSpeech (CC BY 4.0), as it is and slowed or sped up, quieter and noisier; the rest is made
here: beeps of one or two tones, touch tones, keystrokes, melodies, chords, hum. Needs
LIVEMOOD_CORPORA and the extra `train`.
"""

import csv
import json
import os
import warnings
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from livemood.speech.discriminator import FEATURES, SpeechDiscriminator
from livemood.speech.vad import LevelProofDetector, WebRtcVad

RATE, SECONDS = 16000, 15
TARGET = Path(__file__).resolve().parent.parent / "src/livemood/assets/discriminator.json"
BIAS, SEED = 2.4, 2
"""`BIAS` is added to the logit: a voice taken for a tone is worse than a tone for a voice."""
UNITS = 8


class Recorder(SpeechDiscriminator):
    """Keeps what it would judge by."""

    def __init__(self):
        super().__init__()
        self.values = []

    def push(self, frames, energies, voiced):
        """Note everything, say nothing."""
        self.values += self.judge(frames, energies, voiced)[0]
        return [0.0] * len(voiced)


def judged_by(sound):
    """The values of the frames of `sound` that the detector takes for a voice."""
    recorder = Recorder()
    LevelProofDetector(WebRtcVad(), recorder).probabilities(sound)
    return np.array(recorder.values).reshape(-1, FEATURES)


def noisy(sound, rng, least, most):
    """`sound` with white noise, from `least` to `most` dB below it."""
    under = np.std(sound) * 10 ** (-rng.uniform(least, most) / 20)
    return (sound + under * rng.standard_normal(len(sound))).astype(np.float32)


def voices(rng):
    """The values of speech, by how much faster it was played."""
    folder = Path(os.environ["LIVEMOOD_CORPORA"]) / "librispeech"
    found = {1.0: [], 0.8: [], 1.25: [], 1.5: []}
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        sound, _ = sf.read(folder / row["path"], dtype="float32")
        speed = (0.8, 1.25, 1.5)[number % 3]
        if number % 3 == 0:  # somebody answers: what was before must soon be forgotten
            tone = beeps(rng)[: RATE * 5] * 10 ** (rng.uniform(-30, -10) / 20)
            both = np.concatenate((tone, sound)).astype(np.float32)
            found[1.0].append(judged_by(both)[len(judged_by(both[: len(tone)])) :][:50])
        fast = soxr.resample(sound, RATE * speed, RATE) * 10 ** (rng.uniform(-20, 5) / 20)
        for of, heard in ((1.0, sound), (speed, noisy(np.clip(fast, -1, 1), rng, 10, 50))):
            found[of].append(judged_by(heard))
    return {speed: np.concatenate(values) for speed, values in found.items()}


def beeps(rng):
    """One or two tones, on and off."""
    t = np.arange(RATE * SECONDS) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(300, 2000, rng.integers(1, 3)))
    on, off = rng.choice([0.1, 0.2, 0.25, 0.5, 1, 2]), rng.choice([0.1, 0.2, 0.25, 0.5, 1, 3])
    return tones * (t % (on + off) < on)


def touch_tones(rng):
    """Keys of a telephone (ITU-T Q.23)."""
    on, off = rng.uniform(0.06, 0.3), rng.uniform(0.05, 0.3)
    t, parts, length = np.arange(int(RATE * on)) / RATE, [], 0
    while length < RATE * SECONDS:
        low, high = rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477, 1633])
        parts += [np.sin(2 * np.pi * low * t) + np.sin(2 * np.pi * high * t)]
        parts += [np.zeros(int(RATE * off))]
        length += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts)[: RATE * SECONDS]


def keystrokes(rng):
    """Bursts of some milliseconds, most with a second, fainter one."""
    out, at = np.zeros(RATE * (SECONDS + 1)), 0.2
    fall, noise, pitch = rng.uniform(0.002, 0.008), rng.uniform(0.2, 1), rng.choice([0, 0.5])
    t = np.arange(int(0.04 * RATE)) / RATE
    while at < SECONDS - 0.3:
        tone = np.sin(2 * np.pi * rng.uniform(800, 5000) * t)
        click = np.exp(-t / fall) * (noise * rng.standard_normal(len(t)) + pitch * tone)
        click *= rng.uniform(0.2, 0.5)
        begin = int(at * RATE)
        out[begin : begin + len(t)] += click
        if rng.random() < 0.6:
            begin += int(rng.uniform(0.04, 0.12) * RATE)
            out[begin : begin + len(t)] += 0.4 * click
        at += rng.uniform(0.07, 0.4) if rng.random() < 0.85 else rng.uniform(0.5, 2)
    return out[: RATE * SECONDS]


def music(rng):
    """A melody or chords of one instrument."""
    out, at = np.zeros(RATE * (SECONDS + 4)), 0.0
    base, chords = rng.uniform(110, 330), rng.random() < 0.6
    attack, fall, slope = rng.uniform(0.005, 0.1), rng.uniform(0.2, 2), rng.uniform(0.8, 2.5)
    overtones = rng.integers(3, 12)
    while at < SECONDS:
        lasts = rng.choice([0.2, 0.25, 0.3, 0.5, 0.5, 0.75, 1.0])
        root = rng.choice([0, 2, 4, 5, 7, 9, 11, 12])
        t = np.arange(int(RATE * (lasts + 0.2))) / RATE
        shape = np.minimum(1, t / attack) * np.exp(-t / fall) * np.minimum(1, (t[-1] - t) / 0.05)
        begin = int(at * RATE)
        for note in [root + 12, *((root, root + 4, root + 7) if chords else ())]:
            pitch = base * 2 ** (note / 12)
            for n in range(1, overtones + 1):
                if n * pitch < 7500:
                    wave = np.sin(2 * np.pi * n * pitch * t)
                    out[begin : begin + len(t)] += shape * wave / n**slope
        at += lasts
    return out[: RATE * SECONDS]


def hum(rng):
    """Mains and its overtones, with breaks."""
    t, pitch, slope = np.arange(RATE * SECONDS) / RATE, rng.uniform(45, 130), rng.uniform(0.5, 2)
    waves = (np.sin(2 * np.pi * pitch * n * t + rng.uniform(0, 6)) / n**slope for n in range(1, 20))
    return sum(waves) * (t % rng.choice([2.0, 5.0]) < rng.choice([1.0, 5.0]))


def others(rng, count=420):
    """The values of what is no speech, one array for each sound."""
    makers, found = (beeps, beeps, touch_tones, keystrokes, keystrokes, music, hum), []
    for number in range(count):
        sound = makers[number % len(makers)](rng)
        sound = sound / np.abs(sound).max() * 10 ** (rng.uniform(-40, -3) / 20)
        quiet = rng.random() < 0.3
        values = judged_by(sound.astype(np.float32) if quiet else noisy(sound, rng, 15, 60))
        if len(values):
            found.append(values)
    return found


def main():
    """Fit and write."""
    speech, rest = voices(np.random.default_rng(3)), others(np.random.default_rng(5))
    rng = np.random.default_rng(SEED)
    # Of what was played faster there is less, but it is nearer to women's and children's voices.
    takes = {1.0: 22000, 0.8: 10000, 1.25: 14000, 1.5: 8000}
    chosen = [v[rng.integers(len(v), size=takes[speed])] for speed, v in speech.items()]
    chosen += [v[rng.integers(len(v), size=54000 // len(rest))] for v in rest]
    inputs = np.concatenate(chosen)
    is_speech = np.arange(len(inputs)) < sum(takes.values())
    scale = np.array([1.0] * 9 + [10.0] * 2)  # dB, the others decades
    network = MLPClassifier((UNITS,), activation="tanh", alpha=0.01, max_iter=40, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(inputs / scale, is_speech)
    hidden = np.vstack((network.coefs_[0] / scale[:, None], network.intercepts_[0]))
    output = np.vstack((network.coefs_[1], network.intercepts_[1] + BIAS))[:, 0]
    held = {
        "made_by": "scripts/train_discriminator.py",
        "speech": "LibriSpeech (CC BY 4.0, Panayotov 2015); all else is synthetic",
        "hidden": hidden.round(4).tolist(),
        "output": output.round(4).tolist(),
    }
    TARGET.write_text(json.dumps(held, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
