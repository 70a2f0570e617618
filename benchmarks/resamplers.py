"""Whether a model hears whose resampler brought telephone sound to 16 kHz.

Every `--every`-th clip of speakers that all shipped models held out is brought to 8 kHz mu-law
(ITU-T G.711). Then it is read at 8 kHz, as livemood advises, and brought to 16 kHz before, by
FFmpeg's resampler and by soxr. Mean recall of the labels, in percent.

Aim: no way costs more than a point against 8 kHz.
"""

from collections.abc import Callable

import av
import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
import soxr
from common_recall import Recall
from compare_models import HELD_OUT, rows

from livemood.model import load_model
from livemood.sources.rtp.formats.payload import STATIC

LINE = 8000


def telephone(path: str) -> np.ndarray:
    """A clip as it comes out of a telephone line, at 8 kHz."""
    sound, rate = sf.read(path, dtype="float32")
    packed = common.mu_law(soxr.resample(sound, rate, common.RATE))
    return STATIC.sound[0].new_decoder()(packed)[:, 0].astype(np.float32)


def by_ffmpeg(sound: np.ndarray) -> np.ndarray:
    """`sound` from 8 to 16 kHz by FFmpeg's own resampler, as `ffmpeg -ar 16000` does."""
    resampler = av.AudioResampler("flt", "mono", common.RATE)
    frame = av.AudioFrame.from_ndarray(sound[np.newaxis], "flt", "mono")
    frame.sample_rate = LINE
    parts = [f.to_ndarray()[0] for f in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(parts)


def by_soxr(sound: np.ndarray) -> np.ndarray:
    """`sound` from 8 to 16 kHz by soxr's best engine, as `sox -r 16000` does."""
    return soxr.resample(sound, LINE, common.RATE, quality="VHQ").astype(np.float32)


WAYS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "8 kHz": (lambda sound: sound, LINE),
    "16 kHz by ffmpeg": (by_ffmpeg, common.RATE),
    "16 kHz by soxr": (by_soxr, common.RATE),
}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--every", type=int, default=4, help="take every so many clips")
    options = parser.parse_args()
    around = common.surroundings()
    every = options.every * (12 if options.quick else 1)
    result: dict = {"every": every, "models": {}}
    for name in ("default", "small") if options.model == "default" else (options.model,):
        model = load_model(name)
        uars: dict[str, list[float]] = {way: [] for way in WAYS}
        changed = dict.fromkeys(WAYS, 0)
        count = 0
        for corpus in HELD_OUT:
            recalls = {way: Recall(model.labels) for way in WAYS}
            for clip in rows(corpus, every):
                sound, count, plain = telephone(clip["path"]), count + 1, None
                for way, (change, rate) in WAYS.items():
                    said = model.predict(change(sound), rate).label
                    plain = plain or said
                    changed[way] += said != plain
                    recalls[way].count(clip["emotion"], said)
            for way, recall in recalls.items():
                uars[way].append(recall.mean())
        found = {
            way: {
                "uar": round(float(np.mean(by)), 2),
                "by_corpus": [round(x, 1) for x in by],
                "other_labels_than_at_8_khz": round(changed[way] / count, 4),
            }
            for way, by in uars.items()
        }
        print(name, found, flush=True)
        result["models"][name] = {"version": model.manifest.version, "clips": count, "ways": found}
    common.report("resamplers", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
