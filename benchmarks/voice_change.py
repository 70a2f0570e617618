"""What `emotion` events say of a voice against its usual, and what that costs.

For every second speaker of RAVDESS and EMOVO: half of their neutral clips (RAVDESS: all, and six
calm ones) make the usual. Then up to eight clips of each label, each from that same usual, are
compared with it. Printed is in which share of the clips of a label each word was told. The other
half of the speakers served to choose the thresholds in `speech/voice_change.py`.

The cost is processor time for each quarter of a second of speech, in turn with the hops of every
shipped model on the same speech.

Aims: under 10 % of a hop of any model; three of four neutral or calm clips as usual.
"""

import copy
import csv
import os
import random
import statistics
import time
from collections import Counter, defaultdict
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
import soxr
from hop_cost import Hops

from livemood.model import load_model, shipped_models
from livemood.speech import open_detector
from livemood.speech.bounds import speech_bounds
from livemood.speech.voice_change import FRAME, VoiceObserver

HOP = common.RATE // 4 // FRAME * FRAME
BLOCK = common.RATE // 50
CLIPS = 8
AS_USUAL = "as usual"


def corpus(name: str) -> tuple[Path, list[dict[str, str]]]:
    """The folder of a corpus and the rows of its table."""
    root = Path(os.environ.get("LIVEMOOD_CORPORA", common.REPO.parent / "shared" / "corpora"))
    with (root / name / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return root / name, list(csv.DictReader(file))


def spoken(path: Path) -> np.ndarray:
    """A clip at 16 kHz from the begin of its speech to the end, in whole frames."""
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(sound.mean(axis=1), rate, common.RATE).astype(np.float32)
    span = speech_bounds(mono, open_detector("webrtc"))
    found = mono[span.start : span.end]
    return found[: len(found) // FRAME * FRAME]


def words_by_label(name: str, least_calm: int, quick: bool) -> dict[str, dict[str, float]]:
    """For each label the share of clips in which each word was told."""
    root, rows = corpus(name)
    by: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by[row["speaker"]][row["emotion"]].append(root / row["path"])
    told: dict[str, Counter[str]] = defaultdict(Counter)
    speakers = sorted(by)[1::2]
    for number, speaker in enumerate(speakers[:1] if quick else speakers):
        clips = by[speaker]
        random.Random(number).shuffle(clips["neutral"])
        half = len(clips["neutral"]) if least_calm else len(clips["neutral"]) // 2
        observer = VoiceObserver()
        for path in clips["neutral"][:half] + clips["calm"][:least_calm]:
            observer.push(spoken(path))
            observer.forget()
        for label, paths in clips.items():
            skipped = {"neutral": half, "calm": least_calm}.get(label, 0)
            for path in paths[skipped : skipped + CLIPS]:
                told[label].update(told_of(copy.deepcopy(observer), spoken(path)))
                told[label]["clips"] += 1
    return {
        label: {"clips": counts["clips"]}
        | {w: round(n / counts["clips"], 3) for w, n in counts.most_common() if w != "clips"}
        for label, counts in sorted(told.items())
        if counts["clips"]
    }


def told_of(observer: VoiceObserver, sound: np.ndarray) -> list[str]:
    """What the last look at a clip told; nothing where it was too short."""
    change = None
    for start in range(0, len(sound) - HOP + 1, HOP):
        change = observer.push(sound[start : start + HOP], 0.0) or change
    if change is None:
        return []
    return list(change.words) or [AS_USUAL]


def cost(models: dict, seconds: int, seed: int) -> dict[str, float]:
    """Milliseconds of a quarter of a second of speech: compared with its usual, and read."""
    sound = np.concatenate(common.clips(4 + seconds, seed))[: seconds * common.RATE]
    hops = {name: Hops(model) for name, model in models.items()}
    observer, spent = VoiceObserver(), []
    part = 5 * common.RATE
    for first in range(0, len(sound) - part + 1, part):
        for one in hops.values():
            for start in range(first, first + part, BLOCK):
                one.take(start, sound[start : start + BLOCK])
        began = time.process_time()
        for start in range(first, first + part, HOP):
            observer.push(sound[start : start + HOP], 1.0)
        spent.append(1000 * (time.process_time() - began) / (part / HOP))
    ours = statistics.median(spent)
    result = {"voice_ms": round(ours, 4)}
    for name, one in hops.items():
        quarter = statistics.mean(one.spent) * 0.25 / (models[name].manifest.hop_s or 0.25)
        result |= {
            f"{name}_hop_ms": round(quarter, 4),
            f"share_of_{name}": round(ours / (quarter - ours), 4),
        }
    return result


def main() -> None:
    args = common.arguments(__doc__).parse_args()
    around = common.surroundings()
    models = {name: load_model(name, "cpu") for name in shipped_models()}
    for model in models.values():
        model.warm_up()
    result: dict = {"cost": cost(models, 20 if args.quick else 120, args.seed)}
    result["told"] = {
        "ravdess": words_by_label("ravdess", 6, args.quick),
        "emovo": words_by_label("emovo", 0, args.quick),
    }
    usual = [result["told"]["ravdess"]["calm"], result["told"]["emovo"]["neutral"]]
    clips = sum(row["clips"] for row in usual)
    result["as_usual"] = round(sum(r["clips"] * r.get(AS_USUAL, 0) for r in usual) / clips, 3)
    common.report("voice_change", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
