"""Fits the network that tells speech from tones, music and clicks; writes its numbers.

`python scripts/train_discriminator.py` writes src/livemood/assets/discriminator.json. The speech
is LibriSpeech (CC BY 4.0), as it is and slowed or sped up, quieter and noisier, or over music; the
rest is made here: beeps of one or two tones, touch tones, keystrokes, hum, and music. Needs
LIVEMOOD_CORPORA and the extra `train`.
"""

import csv
import json
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from made_music import music
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from livemood.audio import DcBlocker
from livemood.speech.discriminator import FEATURES, SpeechDiscriminator
from livemood.speech.vad import LevelProofDetector, WebRtcVad

RATE, SECONDS = 16000, 15
TARGET = Path(__file__).resolve().parent.parent / "src/livemood/assets/discriminator.json"
BIAS, SEED = 2.0, 2
"""`BIAS` is added to the logit: a voice taken for a tone is worse than a tone for a voice."""
UNITS = 8
SLOW = 0.65
TAKES = {1.0: 22000, 0.8: 10000, 1.25: 14000, 1.5: 8000, SLOW: 8000, "over music": 4000}
"""Frames of speech. Of what was played at another speed there is less, but it is nearer to women's
and children's voices, and to those that are moved."""


class Recorder(SpeechDiscriminator):
    """Keeps what it would judge by."""

    def __init__(self):
        super().__init__()
        self.values, self.at, self.frames = [], [], 0

    def push(self, frames, energies, voiced):
        """Note everything, say nothing."""
        values, looked_at = self.judge(frames, energies, voiced)
        self.values += values
        both = zip(voiced, looked_at, strict=True)
        self.at += [self.frames + n for n, (voice, looks) in enumerate(both) if voice and looks]
        self.frames += len(voiced)
        return [0.0] * len(voiced)


def recorded(sound, afresh_s=None):
    """What is kept of the frames of `sound` that the detector takes for a voice.

    Where given, the detector begins afresh so often, as it does behind each speech.
    """
    recorder = Recorder()
    detector = LevelProofDetector(WebRtcVad(), recorder)
    sound = DcBlocker(RATE).push(sound.astype(np.float32))  # as all sound does
    piece = round((afresh_s or len(sound)) * RATE) // 320 * 320
    for at in range(0, len(sound), piece):
        detector.probabilities(sound[at : at + piece])
        detector.refresh()
    return recorder


def judged_by(sound, afresh_s=None):
    """The values of the frames of `sound` that the detector takes for a voice."""
    return np.array(recorded(sound, afresh_s).values).reshape(-1, FEATURES)


def over_music(sound, rng):
    """The values of speech with music behind it, where somebody speaks."""
    behind = music(rng, SECONDS)
    behind = np.resize(behind, len(sound)) * np.std(sound) / np.std(behind)
    heard = recorded(sound + behind * 10 ** (-rng.uniform(10, 30) / 20))
    spoken = np.isin(heard.at, recorded(sound).at)
    return np.array(heard.values).reshape(-1, FEATURES)[spoken]


def noisy(sound, rng, least, most):
    """`sound` with white noise, from `least` to `most` dB below it."""
    under = np.std(sound) * 10 ** (-rng.uniform(least, most) / 20)
    return (sound + under * rng.standard_normal(len(sound))).astype(np.float32)


def clips():
    """The files of LibriSpeech."""
    folder = Path(os.environ["LIVEMOOD_CORPORA"]) / "librispeech"
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return [folder / row["path"] for row in csv.DictReader(file)]


def voice(number):
    """The values of one clip, by how much faster it was played, and over music."""
    rng, (sound, _) = np.random.default_rng((3, number)), sf.read(clips()[number], dtype="float32")
    speed, found = (0.8, 1.25, 1.5)[number % 3], {}
    fast = soxr.resample(sound, RATE * speed, RATE) * 10 ** (rng.uniform(-20, 5) / 20)
    found[speed] = judged_by(noisy(np.clip(fast, -1, 1), rng, 10, 50))
    found[1.0] = judged_by(sound)
    if number % 3 == 0:  # somebody answers: what was before must soon be forgotten
        tone = beeps(rng)[: RATE * 5] * 10 ** (rng.uniform(-30, -10) / 20)
        after = judged_by(np.concatenate((tone, sound)))[len(judged_by(tone)) :][:50]
        found[1.0] = np.concatenate((found[1.0], after))
    if number % 2 == 0:  # as slowly as those speak who cry, or call out
        slow = soxr.resample(sound[: 10 * RATE], RATE * SLOW, RATE)
        slow = slow * 10 ** (rng.uniform(-20, 5) / 20)
        found[SLOW] = judged_by(noisy(np.clip(slow, -1, 1), rng, 10, 50))
        found["over music"] = over_music(sound[: 10 * RATE], rng)
    return found


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


def hum(rng):
    """Mains and its overtones, with breaks."""
    t, pitch, slope = np.arange(RATE * SECONDS) / RATE, rng.uniform(45, 130), rng.uniform(0.5, 2)
    waves = (np.sin(2 * np.pi * pitch * n * t + rng.uniform(0, 6)) / n**slope for n in range(1, 20))
    return sum(waves) * (t % rng.choice([2.0, 5.0]) < rng.choice([1.0, 5.0]))


def some_music(rng):
    """Music."""
    return music(rng, SECONDS)


MAKERS = (beeps, keystrokes, some_music, touch_tones, some_music, hum)
MAKERS = (*MAKERS, keystrokes, some_music, beeps, keystrokes, some_music, some_music)


NUMBERS = (*range(360), *range(363, 843, 12), *range(361, 721, 12))
"""Sounds of each kind in turn; then more touch tones and keystrokes, which are the hardest."""


def other(number):
    """The values of one sound that is no speech."""
    rng = np.random.default_rng((5, number))
    sound = MAKERS[number % len(MAKERS)](rng)
    sound = sound / np.abs(sound).max() * 10 ** (rng.uniform(-40, -3) / 20)
    quiet = rng.random() < 0.3
    return judged_by(sound if quiet else noisy(sound, rng, 15, 60), rng.uniform(0.6, 3))


def main():
    """Fit and write."""
    with ProcessPoolExecutor() as pool:
        speech = list(pool.map(voice, range(len(clips()))))
        rest = [values for values in pool.map(other, NUMBERS) if len(values)]
    rng = np.random.default_rng(SEED)
    chosen = []
    for kind, size in TAKES.items():
        values = np.concatenate([found[kind] for found in speech if kind in found])
        chosen.append(values[rng.integers(len(values), size=size)])
    spoken = sum(TAKES.values())
    chosen += [v[rng.integers(len(v), size=spoken // len(rest))] for v in rest]
    inputs = np.concatenate(chosen)
    is_speech = np.arange(len(inputs)) < spoken
    scale = np.array([1.0] * 9 + [10.0] * 2 + [0.2] * 6)  # decades, dB, likeness
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
