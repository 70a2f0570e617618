"""How well models hear speakers that they never heard, by level: recall of each label.

Every `--every`-th clip of the speakers that all shipped models held out goes through `predict`,
as it is and 30 dB quieter. Nothing is known of the voice (no baseline). One table a corpus.
"""

import csv
import os
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf

from livemood.model import load_model

HELD_OUT = {
    "ravdess": ["ravdess-01", "ravdess-11", "ravdess-20", "ravdess-21"],
    "nemo": ["nemo-EB0", "nemo-MP0"],
    "emospeech-in": [
        *("emospeech-00da8563", "emospeech-0702dea2", "emospeech-2ad117a0", "emospeech-340a8031"),
        *("emospeech-4088f97b", "emospeech-4e520c6f", "emospeech-61da3711", "emospeech-74333d37"),
        *("emospeech-8679e56f", "emospeech-9014f38f", "emospeech-98f394bd", "emospeech-9f0faa2d"),
        *("emospeech-ba77be3e", "emospeech-c37be7fb", "emospeech-cda10b7b", "emospeech-d6ef3341"),
        "emospeech-ec2301df",
    ],
    "emovo": ["emovo-f3", "emovo-m3"],
}
"""`default` never heard anybody of EMOVO; `encoder` learnt from its other four speakers."""
LEVELS_DB = (0, -30)


def rows(corpus: str, every: int) -> list[dict[str, str]]:
    """Every so many clips of the held-out speakers of a corpus."""
    folder = Path(os.environ.get("LIVEMOOD_CORPORA", common.REPO.parent / "shared" / "corpora"))
    with (folder / corpus / "metadata.csv").open(encoding="utf-8", newline="") as file:
        found = [r for r in csv.DictReader(file) if r["speaker"] in HELD_OUT[corpus]]
    return [{**r, "path": str(folder / corpus / r["path"])} for r in found[::every]]


def measure(model, clips: list[dict[str, str]], level_db: float) -> dict:
    """Recall of each label, their mean (UAR), and the confusion matrix, `uncertain` last."""
    labels = list(model.labels)
    confusion = np.zeros((len(labels), len(labels) + 1), int)
    for clip in clips:
        sound, rate = sf.read(clip["path"], dtype="float32")
        said = model.predict((sound * 10 ** (level_db / 20)).astype(np.float32), rate).label
        true = "neutral" if clip["emotion"] == "calm" else clip["emotion"]
        confusion[labels.index(true), [*labels, "uncertain"].index(said)] += 1
    recall = {
        label: round(100 * float(row[i] / row.sum()), 1)
        for i, (label, row) in enumerate(zip(labels, confusion, strict=True))
        if row.sum()
    }
    uar = round(float(np.mean(list(recall.values()))), 1)
    return {"clips": len(clips), "uar": uar, "recall": recall, "confusion": confusion.tolist()}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--every", type=int, default=4, help="take every so many clips")
    options = parser.parse_args()
    names = ["default", "encoder"] if options.model == "default" else options.model.split(",")
    result: dict = {"every": options.every, "models": {}}
    around = common.surroundings()
    for name in names:
        model = load_model(name)
        found: dict = {"version": model.manifest.version, "corpora": {}}
        for corpus in HELD_OUT:
            clips = rows(corpus, options.every * (8 if options.quick else 1))
            found["corpora"][corpus] = {f"{db} dB": measure(model, clips, db) for db in LEVELS_DB}
            for level, scores in found["corpora"][corpus].items():
                print(name, corpus, level, f"UAR {scores['uar']}", scores["recall"], flush=True)
        result["models"][name] = found
    common.report("compare_models", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
