"""Sessions in which a voice has one emotion only, with a baseline that grows from nothing.

A baseline takes what a voice usually sounds like for its neutral. Somebody who is angry from the
first second could so become their own measure. Here every clip of one label of a speaker whom the
model never heard makes one session, with a pause of half a second after each clip; it is
heard once with a growing baseline and once without. Counted are the windows whose likeliest label,
by `raw_probabilities`, is the true one; a label's recall is the mean over speakers.
"""

from collections import defaultdict

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
from baselines import clips_of, label_of
from common_session import events_of
from compare_models import HELD_OUT

from livemood.engine import MonitorSettings
from livemood.model import load_model

PAUSE_S = 0.5
CORPORA = ("ravdess", "nemo")
MOST_POINTS = 3.0
"""Aim: how much a baseline may cost."""


def session(paths: list[str]) -> np.ndarray:
    """The clips one after another, at 16 kHz."""
    pause = np.zeros(round(PAUSE_S * common.RATE), np.float32)
    parts = []
    for path in paths:
        sound, rate = sf.read(path, dtype="float32")
        assert rate == common.RATE, f"{path} is not at 16 kHz"
        parts += [sound, pause]
    return np.concatenate(parts)


def heard(model, sound: np.ndarray, *, baseline: bool) -> list[str]:
    """The likeliest label of each window."""
    events = events_of(model, sound, common.RATE, MonitorSettings(baseline=baseline))
    readings = [e.raw_probabilities for e in events if e.type == "emotion" and not e.unread]
    return [max(p, key=p.__getitem__) for p in readings]


def measure(model, corpus: str, most: int, speakers: list[str]) -> dict:
    """Recall of each label without and with a baseline, and their means."""
    sessions: dict[tuple[str, str], list[str]] = defaultdict(list)
    for clip in clips_of(corpus, speakers, 1):
        sessions[label_of(model, clip), clip["speaker"]].append(clip["path"])
    recall: dict[str, dict[str, list[float]]] = {"without": {}, "with": {}}
    windows = 0
    for (label, speaker), paths in sorted(sessions.items()):
        sound = session(paths[:most])
        for name in recall:
            found = heard(model, sound, baseline=name == "with")
            share = 100 * found.count(label) / max(1, len(found))
            recall[name].setdefault(label, []).append(share)
        windows += len(found)
        print(
            corpus,
            speaker,
            label,
            {k: round(v[label][-1], 1) for k, v in recall.items()},
            flush=True,
        )
    out: dict = {"sessions": len(sessions), "windows": windows}
    for name, found in recall.items():
        means = {label: round(float(np.mean(v)), 1) for label, v in found.items()}
        every = np.mean([np.mean(v) for v in found.values()])
        out[name] = {"mean": round(float(every), 1), "recall": means}
    out["points"] = round(out["with"]["mean"] - out["without"]["mean"], 1)
    return out


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--clips", type=int, default=16, help="in a session, at most")
    options = parser.parse_args()
    around = common.surroundings()
    model = load_model(options.model)
    most = 2 if options.quick else options.clips
    result: dict = {"clips": most, "aim_points": -MOST_POINTS, "model": common.model_info(model)}
    result["corpora"] = {}
    for corpus in CORPORA:
        speakers = HELD_OUT[corpus][: 1 if options.quick else None]
        result["corpora"][corpus] = found = measure(model, corpus, most, speakers)
        print(corpus, found, flush=True)
    common.report("one_emotion", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
