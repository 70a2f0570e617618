"""How often recordings are said to be quiet, clipped or dead: as they are, and made so.

Clips of every corpus of emotional speech and of LibriSpeech go through the live path, each in a
session of its own: as recorded, 30 dB quieter (and rounded to 16 bits again), with a tenth of the
samples of its louder half at a rail, that and the recording through Opus at 24 kbit/s, in 8 bits
30 dB below full scale, and with its microphone dead for ten seconds. Counted are clips of at least
two seconds in which something was said.
"""

import csv
import io
from collections import Counter
from pathlib import Path

import av
import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
from common_session import events_of
from compare_models import corpora

from livemood.model import load_model

CORPORA = ("librispeech", "ravdess", "emovo", "nemo", "emospeech-in", "tess", "ased")
LEAST_S = 2.0


def rounded(sound: np.ndarray, bits: int) -> np.ndarray:
    """In so many bits."""
    scale = 2.0 ** (bits - 1)
    return np.clip(np.round(sound * scale), -scale, scale - 1) / scale


def at_a_rail(sound: np.ndarray) -> np.ndarray:
    """A tenth of the samples of the louder half clipped."""
    size = np.abs(sound)
    rail = np.quantile(size[size >= np.median(size)], 0.9)
    return np.clip(sound, -rail, rail)


def through_opus(sound: np.ndarray) -> np.ndarray:
    """As it comes out of Opus at 24 kbit/s."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=common.RATE, layout="mono", bit_rate=24_000)
        plain = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(plain, format="s16", layout="mono")
        frame.sample_rate = common.RATE
        out.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as coded:
        to_rate = av.AudioResampler(format="flt", layout="mono", rate=common.RATE)
        frames = [f for decoded in coded.decode(audio=0) for f in to_rate.resample(decoded)]
        return np.concatenate([f.to_ndarray()[0] for f in frames])


CONDITIONS = {
    "as it is": lambda sound: sound,
    "-30 dB": lambda sound: sound * 10**-1.5,
    "-30 dB, 16 bits": lambda sound: rounded(sound * 10**-1.5, 16),
    "clipped": lambda sound: at_a_rail(sound),
    "clipped, Opus": lambda sound: through_opus(at_a_rail(sound)),
    "Opus": lambda sound: through_opus(sound),
    "8 bits, -30 dB": lambda sound: rounded(sound / np.abs(sound).max() * 10**-1.5, 8),
    "dead": lambda sound: 0 * np.resize(sound, 10 * common.RATE),
}


def clips(corpus: str, count: int, seed: int) -> list[Path]:
    """Some clips of a corpus, drawn by `seed`."""
    folder = corpora() / corpus
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = np.random.default_rng(seed).permutation(len(rows))[:count]
    return [folder / rows[n]["path"] for n in chosen]


def said(model, sound: np.ndarray, rate: int) -> tuple[set[str], bool]:
    """The problems that were said of `sound`, and whether speech was found in it."""
    events = events_of(model, sound, rate)
    problems = {p for event in events if event.type == "level" for p in event.problems}
    return problems, any(event.type == "emotion" for event in events)


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--clips", type=int, default=150, help="of each corpus")
    options = parser.parse_args()
    around = common.surroundings()
    model = load_model("small")
    result: dict = {"clips_of_each": options.clips, "corpora": {}}
    for corpus in CORPORA:
        found = {name: Counter[str]() for name in CONDITIONS}
        for path in clips(corpus, 4 if options.quick else options.clips, options.seed):
            sound, rate = sf.read(path, dtype="float32", always_2d=True)
            if len(sound) < LEAST_S * rate:
                continue
            for name, change in CONDITIONS.items():
                problems, speech = said(model, change(sound[:, 0]), rate)
                found[name].update(["clips", *(["with speech"] if speech else []), *problems])
        result["corpora"][corpus] = {name: dict(counts) for name, counts in found.items()}
        print(corpus, result["corpora"][corpus], flush=True)
    common.report("level_flags", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
