"""How well models hear speakers that they never heard, under ten conditions: recall of labels.

Every `--every`-th clip of the speakers that all shipped models held out goes through `predict`:
as it is, louder (clipped where it must be), quieter, with a tenth of its samples clipped, with a
constant offset of 0.1, with opposite polarity, over a telephone, and in noise of ESC-10 that no
model learnt from. Nothing is known of the voice (no baseline).

`--path live` sends each clip through a session as `analyze` does: a gate, windows, smoothing; a
clip's label is the likeliest by the mean probabilities of its summary, `uncertain` where nothing
was read. Then the seconds of speech found are counted, too.
"""

import csv
import os
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
from common_recall import Recall
from common_session import events_of

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
CONDITIONS = (
    *("0 dB", "+10 dB", "-10 dB", "-20 dB", "-30 dB", "clipped", "offset", "inverted"),
    *("mulaw", "noise=10"),
)
OFFSET = 0.1


def corpora() -> Path:
    """The folder of the corpora."""
    return Path(os.environ.get("LIVEMOOD_CORPORA", common.REPO.parent / "shared" / "corpora"))


def changed(sound: np.ndarray, condition: str, key: str) -> np.ndarray:
    """16 kHz sound under a condition; the same for the same key."""
    if condition.endswith(" dB"):
        louder = sound * 10 ** (float(condition.removesuffix(" dB")) / 20)
        return np.clip(louder, -1, 1).astype(np.float32)
    if condition == "clipped":
        rail = np.quantile(np.abs(sound), 0.9)
        return np.clip(sound, -rail, rail).astype(np.float32)
    if condition == "offset":
        return np.clip(sound + OFFSET, -1, 1).astype(np.float32)
    if condition == "inverted":
        return -sound
    noise = NoiseBank(corpora() / "esc10", ("5",))
    return parse_condition(condition, noise)(sound, key)


def rows(corpus: str, every: int) -> list[dict[str, str]]:
    """Every so many clips of the held-out speakers of a corpus."""
    folder = corpora()
    with (folder / corpus / "metadata.csv").open(encoding="utf-8", newline="") as file:
        found = [r for r in csv.DictReader(file) if r["speaker"] in HELD_OUT[corpus]]
    return [{**r, "path": str(folder / corpus / r["path"])} for r in found[::every]]


def predicted(model, sound: np.ndarray, rate: int) -> tuple[str, float]:
    """The label by `predict`; seconds of speech are not told."""
    return model.predict(sound, rate).label, 0.0


def heard_live(model, sound: np.ndarray, rate: int) -> tuple[str, float]:
    """The label by a session, and how much speech it found, in seconds."""
    events = events_of(model, sound, rate)
    summary = events[-1].summary[0]
    means = summary.session.mean_probabilities
    return max(means, key=means.__getitem__, default="uncertain"), summary.speech_ms / 1000


PATHS = {"predict": predicted, "live": heard_live}


def measure(model, clips: list[dict[str, str]], condition: str, path: str) -> dict:
    """Recall of each label, their mean (UAR), and the confusion matrix, `uncertain` last."""
    recall, speech_s = Recall(model.labels), 0.0
    for clip in clips:
        sound, rate = sf.read(clip["path"], dtype="float32")
        sound = changed(sound, condition, Path(clip["path"]).name)
        said, found_s = PATHS[path](model, sound, rate)
        speech_s += found_s
        recall.count(clip["emotion"], said)
    found = {
        "clips": len(clips),
        "uar": round(recall.mean(), 1),
        "recall": {label: round(share, 1) for label, share in recall.by_label().items()},
        "confusion": recall.confusion.tolist(),
    }
    return found | ({"speech_s": round(speech_s, 1)} if path == "live" else {})


def costs(corpora: dict) -> dict:
    """What each condition costs: points of the mean UAR, and percent of the speech found."""
    conditions = next(iter(corpora.values()))

    def mean(name: str) -> float:
        return float(np.mean([found[name]["uar"] for found in corpora.values()]))

    def speech(name: str) -> float:
        return sum(found[name].get("speech_s", 0.0) for found in corpora.values())

    return {
        name: {"uar": round(mean(name), 2), "points": round(mean(name) - mean("0 dB"), 2)}
        | ({"speech": round(100 * speech(name) / speech("0 dB"), 1)} if speech("0 dB") else {})
        for name in conditions
    }


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--every", type=int, default=6, help="take every so many clips")
    parser.add_argument("--conditions", default=",".join(CONDITIONS), help="some of them")
    parser.add_argument("--path", choices=PATHS, default="predict", help="how clips are read")
    options = parser.parse_args()
    conditions = options.conditions.split(",")
    names = ["default", "small"] if options.model == "default" else options.model.split(",")
    result: dict = {"every": options.every, "path": options.path, "models": {}}
    around = common.surroundings()
    for name in names:
        model = load_model(name)
        found: dict = {"version": model.manifest.version, "corpora": {}}
        for corpus in HELD_OUT:
            clips = rows(corpus, options.every * (8 if options.quick else 1))
            found["corpora"][corpus] = {
                c: measure(model, clips, c, options.path) for c in conditions
            }
            for level, scores in found["corpora"][corpus].items():
                print(name, corpus, level, f"UAR {scores['uar']}", scores["recall"], flush=True)
        found["costs"] = costs(found["corpora"]) if "0 dB" in conditions else {}
        print(name, found["costs"], flush=True)
        result["models"][name] = found
    script = "compare_models" if options.path == "predict" else "compare_models_live"
    common.report(script, result | around, quick=options.quick)


if __name__ == "__main__":
    main()
