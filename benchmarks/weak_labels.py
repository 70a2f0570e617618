"""What labels of `livemood data weak` are worth: on recordings that were put together.

Nobody spoke these words. Of each speaker of RAVDESS clips are joined to one recording, with pauses.
Each clip gets a sentence of GoEmotions' test part that has the clip's emotion and no other, as a
subtitle: all of them late by up to 3 s, each up to 0.3 s off and standing up to 0.6 s longer. Then
`livemood data weak` labels them. Told is how many labels are right, by their confidence; how far
found stretches are from the speech; and what a classifier of the voice (logistic regression on the
functionals of `livemood data features`, each speaker less their mean) learns from these labels:
UAR on four speakers who are in no recording, by their true labels. Sentences of one label are
easier than life. How often what is said has the emotion of how it sounds is not measured: here it
always has.
"""

import csv
import tempfile
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import compare_models
import numpy as np
import soundfile as sf

from livemood.datasets.acoustics import functionals
from livemood.datasets.formats.options import Reading
from livemood.datasets.item import Item
from livemood.datasets.weak.labels import weak_labels
from livemood.model.labels import LABELS
from livemood.speech.bounds import speech_bounds
from livemood.speech.vad import WebRtcVad
from livemood.text.encoder import TextEncoder, find_text_model
from livemood.training.data.sentences import read_sentences
from livemood.training.recipe.text import read_text_recipe

TESTED = ("ravdess-01", "ravdess-11", "ravdess-20", "ravdess-21")
"""The first published fold of RAVDESS."""
GROUPS = ("mfcc", "f0", "energy", "spectrum", "rhythm")
LEAST = (0.0, 0.3, 0.5, 0.7, 0.9)


def table(every: int) -> dict[str, list[dict[str, str]]]:
    """Rows of each speaker, labels as livemood has them."""
    folder = compare_models.corpora() / "ravdess"
    found: dict[str, list[dict[str, str]]] = {}
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        for n, row in enumerate(csv.DictReader(file)):
            if n % every == 0:
                row["path"] = str(folder / row["path"])
                row["label"] = "neutral" if row["emotion"] == "calm" else row["emotion"]
                found.setdefault(row["speaker"], []).append(row)
    return found


def sentences(recipe: Path) -> dict[str, list[str]]:
    """Sentences of the test part with one label, by label."""
    read = read_text_recipe(recipe)
    where = compare_models.corpora()
    test = read_sentences(read.corpora, read.labels, read.label_map, where, "test")
    alone = test.held.sum(axis=1) == 1
    return {
        label: [test.texts[i] for i in np.flatnonzero(alone & test.held[:, k])]
        for k, label in enumerate(LABELS)
    }


def clock(seconds: float) -> str:
    ms = max(0, round(seconds * 1000))
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"


def make(folder: Path, speaker: str, rows, said, draw):
    """A recording with subtitles; where speech is in it, and its true labels."""
    late = draw.uniform(0, 3)
    parts, spans, cues, at = [], [], [], 0
    for number, row in enumerate(rows, 1):
        sound = sf.read(row["path"], dtype="float32")[0]
        bounds = speech_bounds(sound, WebRtcVad())
        start, end = ((at + edge) / common.RATE for edge in (bounds.start, bounds.end))
        spans.append((start, end, row["label"]))
        pause = np.zeros(round(draw.uniform(0.3, 2.5) * common.RATE), np.float32)
        parts += [sound, pause]
        at += len(sound) + len(pause)
        first = start + late + draw.uniform(-0.3, 0.3)
        last = max(first + 0.3, end + late + draw.uniform(-0.3, 0.6))
        text = " ".join(str(draw.choice(said[row["label"]])).split())
        cues.append(f"{number}\n{clock(first)} --> {clock(last)}\n{text}\n")
    joined = np.concatenate([*parts, np.zeros(4 * common.RATE, np.float32)])
    sf.write(folder / f"{speaker}.flac", joined, common.RATE)
    (folder / f"{speaker}.srt").write_text("\n".join(cues), "utf-8")
    return late, spans


def nearest(item: Item, spans) -> tuple[float, str]:
    """Shared time over all time of the stretch that fits best, and its true label."""
    end = item.end if item.end is not None else np.inf

    def fit(span) -> float:
        shared = min(end, span[1]) - max(item.start, span[0])
        return max(0.0, shared) / (max(end, span[1]) - min(item.start, span[0]))

    best = max(spans, key=fit)
    return fit(best), best[2]


def voice(items) -> np.ndarray:
    """Functionals of items, (items, features), each speaker less their mean."""
    rows = [functionals.whole(functionals.sound_of(item), GROUPS) for item in items]
    values = np.nan_to_num(np.array([list(row.values()) for row in rows]))
    who = np.array([item.speaker for item in items])
    for speaker in set(who):
        values[who == speaker] -= values[who == speaker].mean(axis=0)
    return values


def learnt(values, labels, weights, test, truth) -> float:
    """UAR of a classifier that learnt from such labels, percent."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(values)
    kinds, counts = np.unique(labels, return_counts=True)
    even = np.array([len(labels) / dict(zip(kinds, counts, strict=True))[k] for k in labels])
    told = LogisticRegression(C=0.1, max_iter=2000).fit(
        scale.transform(values), labels, sample_weight=even / even.mean() * weights
    )
    return round(
        100 * float(balanced_accuracy_score(truth, told.predict(scale.transform(test)))), 1
    )


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--words", default="words", help="a text model's folder")
    parser.add_argument("--recipe", type=Path, default=common.REPO / "recipes" / "words.toml")
    parser.add_argument("--every", type=int, default=2, help="take every so many clips")
    options = parser.parse_args()
    around = common.surroundings()
    every = 24 if options.quick else options.every
    draw = np.random.default_rng(options.seed)
    by_speaker, said = table(every), sentences(options.recipe)
    encoder = TextEncoder(find_text_model(options.words))
    with tempfile.TemporaryDirectory(prefix="livemood-") as name:
        folder, made = Path(name), {}
        for speaker, rows in by_speaker.items():
            if speaker not in TESTED:
                made[speaker] = make(folder, speaker, rows, said, draw)
        found = weak_labels(folder, Reading(speaker_from="ravdess-[0-9]+"), encoder, 0.0)
        items = found.items
        fits, truth = zip(*(nearest(i, made[i.speaker][1]) for i in items), strict=True)
        values = voice(items)
    truth = np.array(truth)
    weak = np.array([item.label for item in items])
    sure = np.array([float(item.columns["weight"]) for item in items])
    test = [Item(Path(r["path"]), s, r["label"]) for s in TESTED for r in by_speaker[s]]
    heard, true = voice(test), np.array([item.label for item in test])
    off = [abs(found.shifts[p] + made[p.stem][0]) for p in found.shifts]
    result = {
        "every": every,
        "text_model": encoder.manifest.version,
        "recordings": len(made),
        "cues": sum(len(spans) for _, spans in made.values()),
        "no_speech": found.left_out["no speech"],
        "shift_off_s": {"mean": round(float(np.mean(off)), 3), "most": round(max(off), 3)},
        "stretches_that_overlap_by_four_fifths": round(
            100 * float(np.mean(np.array(fits) > 0.8)), 1
        ),
        "mean_overlap": round(100 * float(np.mean(fits)), 1),
        "by_least": [
            {
                "least": least,
                "share_kept": round(100 * float(kept.mean()), 1),
                "right": round(100 * float((weak == truth)[kept].mean()), 1),
                "mean_weight": round(100 * float(sure[kept].mean()), 1),
                "uar_learnt": learnt(values[kept], weak[kept], sure[kept], heard, true),
                "uar_without_weights": learnt(
                    values[kept], weak[kept], np.ones(kept.sum()), heard, true
                ),
            }
            for least in LEAST
            if (kept := sure >= least).sum() > 20
        ],
        "uar_of_true_labels": learnt(values, truth, np.ones(len(items)), heard, true),
        "chance": round(100 / len(LABELS), 1),
    }
    common.report("weak_labels", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
