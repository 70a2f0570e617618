"""How well models hear speakers that they never heard, under seven conditions: recall of labels.

Every `--every`-th clip of the speakers that all shipped models held out goes through `predict`:
as it is, louder (clipped where it must be), quieter, over a telephone, and in noise of ESC-10 that
no model learnt from. Nothing is known of the voice (no baseline).
"""

import csv
import os
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf

from livemood.model import load_model
from livemood.training.augment.conditions import parse_condition
from livemood.training.augment.degradation import NoiseBank

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
"""`small` never heard anybody of EMOVO; `default` learnt from its other four speakers."""
CONDITIONS = ("0 dB", "+10 dB", "-10 dB", "-20 dB", "-30 dB", "mulaw", "noise=10")


def corpora() -> Path:
    """The folder of the corpora."""
    return Path(os.environ.get("LIVEMOOD_CORPORA", common.REPO.parent / "shared" / "corpora"))


def changed(sound: np.ndarray, condition: str, key: str) -> np.ndarray:
    """16 kHz sound under a condition; the same for the same key."""
    if condition.endswith(" dB"):
        louder = sound * 10 ** (float(condition.removesuffix(" dB")) / 20)
        return np.clip(louder, -1, 1).astype(np.float32)
    noise = NoiseBank(corpora() / "esc10", ("5",))
    return parse_condition(condition, noise)(sound, key)


def rows(corpus: str, every: int) -> list[dict[str, str]]:
    """Every so many clips of the held-out speakers of a corpus."""
    folder = corpora()
    with (folder / corpus / "metadata.csv").open(encoding="utf-8", newline="") as file:
        found = [r for r in csv.DictReader(file) if r["speaker"] in HELD_OUT[corpus]]
    return [{**r, "path": str(folder / corpus / r["path"])} for r in found[::every]]


def measure(model, clips: list[dict[str, str]], condition: str) -> dict:
    """Recall of each label, their mean (UAR), and the confusion matrix, `uncertain` last."""
    labels = list(model.labels)
    confusion = np.zeros((len(labels), len(labels) + 1), int)
    for clip in clips:
        sound, rate = sf.read(clip["path"], dtype="float32")
        said = model.predict(changed(sound, condition, Path(clip["path"]).name), rate).label
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
    parser.add_argument("--every", type=int, default=6, help="take every so many clips")
    parser.add_argument("--conditions", default=",".join(CONDITIONS), help="some of them")
    options = parser.parse_args()
    conditions = options.conditions.split(",")
    names = ["default", "small"] if options.model == "default" else options.model.split(",")
    result: dict = {"every": options.every, "models": {}}
    around = common.surroundings()
    for name in names:
        model = load_model(name)
        found: dict = {"version": model.manifest.version, "corpora": {}}
        for corpus in HELD_OUT:
            clips = rows(corpus, options.every * (8 if options.quick else 1))
            found["corpora"][corpus] = {c: measure(model, clips, c) for c in conditions}
            for level, scores in found["corpora"][corpus].items():
                print(name, corpus, level, f"UAR {scores['uar']}", scores["recall"], flush=True)
        result["models"][name] = found
    common.report("compare_models", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
