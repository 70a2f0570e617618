"""Speech that never was: voiced syllables and pauses, whose label changes nothing that is heard."""

import csv

import numpy as np
import soundfile as sf

from livemood.audio.resample import resample

RATE = 16000
LABELS = ("angry", "happy", "sad")


def utterance(rng, pitch, seconds=None):
    """Syllables of a voice of about `pitch` Hz, in faint noise."""
    length = int(RATE * (seconds or rng.uniform(0.9, 1.4)))
    time = np.arange(length) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 3 * time))) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * rng.uniform(3, 5) * time), 0, None)
    return 10 ** rng.uniform(-1.3, -0.9) * (0.2 * voice * syllables) + 1e-3 * rng.standard_normal(
        length
    )


def dataset(folder, *, long="", telephone="", each=5, speakers=6, seed=1):
    """A manifest in `folder`. Items of `long` last longer, `telephone` ones were at 8 kHz."""
    rng = np.random.default_rng(seed)
    (folder / "audio").mkdir(parents=True)
    with (folder / "manifest.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "label", "text"])
        for speaker in range(speakers):
            pitch = rng.uniform(90, 230)
            for label in LABELS:
                for n in range(each):
                    sound = utterance(rng, pitch, 1.8 if label == long else None)
                    if label == telephone:
                        sound = resample(resample(sound.astype(np.float32), RATE, 8000), 8000, RATE)
                    name = f"audio/{speaker}-{label}-{n}.flac"
                    sf.write(folder / name, sound, RATE)
                    writer.writerow([name, f"s{speaker}", label, f"sentence {n}"])
    return folder / "manifest.csv"
