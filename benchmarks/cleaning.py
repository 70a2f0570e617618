"""Whether cleaning helps or hurts readings: steps of `livemood data clean` before `predict`.

Every `--every`-th clip of speakers that all shipped models held out is read as it is, and in noise
of ESC-10 (10 dB) or clipped at a fifth of its peak; each plain, and after the step that is meant
for it. Nothing is tuned here.
"""

from collections.abc import Callable
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
import soxr
from common_recall import Recall
from compare_models import HELD_OUT, changed, rows

from livemood.datasets.cleaning import steps
from livemood.model import load_model

Step = Callable[[np.ndarray], np.ndarray]


def clipped(sound: np.ndarray) -> np.ndarray:
    """`sound` with its tops cut at a fifth of the peak, as by an overdriven microphone."""
    peak = 0.2 * float(np.abs(sound).max())
    return np.clip(sound, -peak, peak)


def trials() -> dict[str, tuple[str, Step]]:
    """For each trial the condition of the sound, and what is done to it before it is read."""

    def plain(sound: np.ndarray) -> np.ndarray:
        return sound

    def denoised(sound: np.ndarray) -> np.ndarray:
        return steps.denoise(sound, common.RATE)

    return {
        "as recorded": ("clean", plain),
        "as recorded, --denoise": ("clean", denoised),
        "as recorded, --trim": ("clean", lambda sound: steps.trim(sound, common.RATE)),
        "as recorded, --loudness -23": (
            "clean",
            lambda sound: steps.normalise(sound, common.RATE, -23.0),
        ),
        "noise 10 dB": ("noise=10", plain),
        "noise 10 dB, --denoise": ("noise=10", denoised),
        "clipped": ("clipped", plain),
        "clipped, --declip": ("clipped", steps.declip),
    }


def sound_of(path: Path, condition: str) -> np.ndarray:
    """A clip at 16 kHz under a condition."""
    sound, rate = sf.read(path, dtype="float32")
    sound = soxr.resample(sound, rate, common.RATE)
    if condition == "clipped":
        return clipped(sound)
    return sound if condition == "clean" else changed(sound, condition, path.name)


def uar(model, clips: list[dict[str, str]], condition: str, step: Step) -> dict:
    """Mean recall of the labels in percent, and the confusion matrix, `uncertain` last."""
    recall = Recall(model.labels)
    for clip in clips:
        heard = step(sound_of(Path(clip["path"]), condition))
        recall.count(clip["emotion"], model.predict(heard, common.RATE).label)
    return {"uar": round(recall.mean(), 1), "confusion": recall.confusion.tolist()}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--every", type=int, default=4, help="take every so many clips")
    options = parser.parse_args()
    around = common.surroundings()
    every = options.every * (12 if options.quick else 1)
    result: dict = {"every": every, "models": {}}
    for name in ("default", "small") if options.model == "default" else (options.model,):
        model = load_model(name)
        found: dict = {"version": model.manifest.version, "trials": {}}
        for trial, (condition, step) in trials().items():
            by = {c: uar(model, rows(c, every), condition, step) for c in HELD_OUT}
            mean = round(float(np.mean([scores["uar"] for scores in by.values()])), 1)
            found["trials"][trial] = {"uar": mean, "corpora": by}
            print(name, trial, mean, {c: s["uar"] for c, s in by.items()}, flush=True)
        result["models"][name] = found
    common.report("cleaning", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
