"""How much a voice's baseline helps with speakers whom a model never heard.

Every clip of a test speaker is read by `predict` twice: with nothing known of the voice, and with a
baseline of about `--seconds` of the same speaker's other clips, seven in ten of them neutral or
calm. The clips of a speaker are parted at random into five; what the baseline of each part hears is
drawn from the other four. Speakers with less than half of that much neutral speech beside a part
are counted and left out of both figures.

The shipped models are measured on the speakers that they held out. For six models, one for each of
the published folds of RAVDESS, give their folders: `--folds ravdess --model RUN/fold{fold}/int8`.
A model without the label `calm` takes it for neutral.
"""

import csv
from collections import defaultdict

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
from compare_models import HELD_OUT, corpora

from livemood.model import load_model

AT_REST = ("neutral", "calm")
AT_REST_SHARE, PARTS = 0.7, 5
CLIP_S = 2.5
"""Seconds of speech that a clip brings, about."""
FOLDS = {
    "1": (1, 11, 20, 21),
    "2": (4, 10, 12, 14),
    "3": (8, 9, 19, 23),
    "4": (3, 5, 7, 24),
    "5": (2, 15, 16, 18),
    "6": (6, 13, 17, 22),
}
"""Actors of RAVDESS (EmoBox 2024)."""


def clips_of(corpus: str, speakers: list[str], every: int) -> list[dict[str, str]]:
    """Rows of the corpus's table for these speakers, every so many."""
    folder = corpora() / corpus
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["speaker"] in speakers]
    return [{**row, "path": str(folder / row["path"])} for row in found[::every]]


def drawn(
    clips: list[dict[str, str]], seconds: float, rng: np.random.Generator
) -> list[int] | None:
    """Which of the clips a baseline hears, at random; None if too few of them are neutral."""
    count = max(1, round(seconds / CLIP_S))
    wanted = round(AT_REST_SHARE * count)
    order = rng.permutation(len(clips)).tolist()
    at_rest = [n for n in order if clips[n]["emotion"] in AT_REST]
    others = [n for n in order if clips[n]["emotion"] not in AT_REST]
    if len(at_rest) < wanted / 2 or len(others) < count - wanted:
        return None
    chosen = [*at_rest[:wanted], *others[: count - wanted]]
    return [chosen[n] for n in rng.permutation(len(chosen))]


def read_speaker(
    model, clips: list[dict[str, str]], seconds: float, rng: np.random.Generator
) -> list:
    """Of each clip the true label, and what is read without and with a baseline."""
    sounds = [sf.read(clip["path"], dtype="float32") for clip in clips]
    part = rng.permutation(len(clips)) % PARTS
    out, rested = [], []
    for number in range(PARTS):
        others = [n for n in range(len(clips)) if part[n] != number]
        chosen = drawn([clips[n] for n in others], seconds, rng)
        if chosen is None:
            return []
        baseline = model.baseline()
        for n in chosen:
            baseline.hear(*sounds[others[n]])
        rested.append(baseline.seconds)
        for n in np.flatnonzero(part == number):
            alone = model.predict(*sounds[n]).label
            related = model.predict(*sounds[n], baseline=baseline).label
            out.append((label_of(model, clips[n]), alone, related, float(np.mean(rested))))
    return out


def label_of(model, clip: dict[str, str]) -> str:
    """The true label, as the model would say it."""
    calm = clip["emotion"] == "calm" and "calm" not in model.labels
    return "neutral" if calm else clip["emotion"]


def scores(labels: list[str], read: list) -> dict:
    """UAR, recall and confusion without and with a baseline; the last column is `uncertain`."""
    columns = [*labels, "uncertain"]
    out: dict = {"clips": len(read), "baseline_s": round(float(np.mean([r[3] for r in read])), 1)}
    for which, name in ((1, "without"), (2, "with")):
        confusion = np.zeros((len(labels), len(columns)), int)
        for row in read:
            confusion[labels.index(row[0]), columns.index(row[which])] += 1
        recall = {
            label: round(100 * float(row[n] / row.sum()), 1)
            for n, (label, row) in enumerate(zip(labels, confusion, strict=True))
            if row.sum()
        }
        hits = [r[n] / r.sum() for n, r in enumerate(confusion) if r.sum()]
        uar = round(100 * float(np.mean(hits)), 1)
        out[name] = {"uar": uar, "recall": recall, "confusion": confusion.tolist()}
    return out


def measure(model, corpus: str, speakers: list[str], options) -> tuple[list, int]:
    """What was read of all clips of speakers, and how many had too little neutral speech."""
    by_speaker: dict[str, list] = defaultdict(list)
    every = options.every * (6 if options.quick else 1)
    for clip in clips_of(corpus, speakers, every):
        by_speaker[clip["speaker"]].append(clip)
    read, left_out = [], 0
    for number, (_, clips) in enumerate(sorted(by_speaker.items())):
        rng = np.random.default_rng([options.seed, number])
        found = read_speaker(model, clips, options.seconds, rng)
        read += found
        left_out += not found
    return read, left_out


def by_folds(options) -> dict:
    """All folds of RAVDESS together, each read by its own model."""
    read, each = [], {}
    for name, actors in FOLDS.items():
        model = load_model(options.model.replace("{fold}", name))
        found, _ = measure(model, "ravdess", [f"ravdess-{n:02}" for n in actors], options)
        read += found
        told = scores(list(model.labels), found)
        each[name] = {k: told[k]["uar"] for k in ("without", "with")}
        print("fold", name, each[name], flush=True)
    return {"folds": each, "labels": list(model.labels)} | scores(list(model.labels), read)


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of speech in a baseline")
    parser.add_argument("--every", type=int, default=1, help="take every so many clips")
    parser.add_argument("--folds", choices=("ravdess",), help="measure a model for each fold")
    parser.add_argument("--corpora", default=",".join(HELD_OUT), help="some of them")
    options = parser.parse_args()
    around = common.surroundings()
    told = {"seconds": options.seconds, "every": options.every, "seed": options.seed}
    if options.folds:
        result = told | {"ravdess": by_folds(options)}
        print(result["ravdess"], flush=True)
        common.report("baselines_folds", result | around, quick=options.quick)
        return
    model = load_model(options.model)
    found: dict = {}
    for corpus in options.corpora.split(","):
        read, left_out = measure(model, corpus, HELD_OUT[corpus], options)
        speakers = {"speakers_with_too_little": left_out}
        found[corpus] = speakers | (scores(list(model.labels), read) if read else {})
        print(corpus, found[corpus], flush=True)
    result = told | {"model": common.model_info(model), "corpora": found}
    common.report("baselines", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
