"""How much speech the shipped gate finds, beside plain WebRTC, at three levels.

Clips of every corpus go through the gate: with the shipped detector (WebRTC behind a slow gain,
with the discriminator), and with WebRTC alone; as recorded, 20 and 30 dB quieter, and with white
noise 20, 10 and 5 dB below the clip. Two measures: which share is found of the frames that another
detector, Silero's network, hears as speech in the recording (`of_silero`), with how much more is
taken for speech (`beyond_silero`); and of what WebRTC alone finds in it (`percent`), also with how
much more. WebRTC takes some noise for speech, so of that not all that is lost was speech.
And of the clips as recorded, through a session: how much of what windows bring is `unread`, since
hardly any of a window was speech.
Aim: of what Silero hears at most 0.5 % less than with WebRTC alone, as recorded.
"""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
from common_session import events_of
from level_flags import CORPORA, clips

from livemood.engine import MonitorSettings
from livemood.model import load_model
from livemood.speech import GateSettings, SpeechEnded, SpeechGate, open_detector
from livemood.speech.vad import SileroVad, WebRtcVad

LEVELS_DB, NOISES_DB = (0, -20, -30), (20, 10, 5)


def speech(detector, sound: np.ndarray) -> np.ndarray:
    """Which samples belong to speech, by the gate with its usual settings."""
    gate = SpeechGate(GateSettings(), detector.frame_length, common.RATE)
    inside = np.zeros(len(sound), bool)
    events = [e for p in detector.probabilities(sound) for e in gate.push(p)]
    for event in [*events, *gate.close()]:
        if isinstance(event, SpeechEnded):
            inside[event.start : event.end] = True
    return inside


def conditions(sound: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The sound as recorded, quieter, and in noise."""
    noise = (np.std(sound) * rng.standard_normal(len(sound))).astype(np.float32)
    quieter = {f"{db} dB": sound * np.float32(10 ** (db / 20)) for db in LEVELS_DB}
    noisy = {f"noise {db} dB": sound + noise * np.float32(10 ** (-db / 20)) for db in NOISES_DB}
    return quieter | noisy


def heard_by_silero(sound: np.ndarray) -> np.ndarray:
    """Which samples lie in frames that Silero takes for speech."""
    detector = SileroVad()
    frames = np.array(detector.probabilities(sound)) >= 0.5
    return np.append(np.repeat(frames, detector.frame_length), np.zeros(len(sound), bool))[
        : len(sound)
    ]


def windows(model, sound: np.ndarray) -> tuple[int, int]:
    """Milliseconds that windows of a session bring, and those of windows that are not read."""
    until = brought = unread = 0
    for event in events_of(model, sound, common.RATE, MonitorSettings()):
        if event.type == "emotion":
            new = event.end_ms - max(until, event.start_ms)
            until, brought = event.end_ms, brought + new
            unread += new if event.unread else 0
    return brought, unread


DETECTORS = {"plain": WebRtcVad, "shipped": lambda: open_detector("webrtc")}


def measured(model_name: str, seed: int, path: Path) -> Counter[str | tuple[str, int]]:
    """Of one clip: samples by detector and condition, and what its windows bring."""
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    assert rate == common.RATE, path
    sound = sound[:, 0]
    reference, silero = speech(WebRtcVad(), sound), heard_by_silero(sound)
    brought, unread = windows(load_model(model_name), sound)
    counts: Counter[str | tuple[str, int]] = Counter(
        wanted=int(reference.sum()), spoken=int(silero.sum()), brought=brought, unread=unread
    )
    rng = np.random.default_rng([seed, *path.name.encode()])
    for condition, changed in conditions(sound, rng).items():
        for name, make in DETECTORS.items():
            found = speech(make(), changed)
            for kind, part in enumerate((reference, ~reference, silero, ~silero)):
                counts[f"{name} {condition}", kind] = int((found & part).sum())
    return counts


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--clips", type=int, default=300, help="of each corpus")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    around = common.surroundings()
    result: dict = {"clips_of_each": options.clips, "corpora": {}}
    of_all: Counter[str | tuple[str, int]] = Counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        for corpus in CORPORA:
            paths = clips(corpus, 6 if options.quick else options.clips, options.seed)
            one = partial(measured, options.model, options.seed)
            sums: Counter[str | tuple[str, int]] = Counter()
            for counts in pool.map(one, paths, chunksize=4):
                sums.update(counts)
            unread_percent = round(100 * sums["unread"] / max(1, sums["brought"]), 2)
            result["corpora"][corpus] = shares(sums) | {"unread_percent": unread_percent}
            print(corpus, result["corpora"][corpus], flush=True)
            of_all.update(sums)
    result["all"] = shares(of_all)
    common.report("speech_found", result | around, quick=options.quick)


def shares(sums: Counter[str | tuple[str, int]]) -> dict:
    """Percent found of the speech by either measure, and of what is found beyond it."""
    names = [key[0] for key in sums if isinstance(key, tuple) and key[1] == 0]

    def percent(kind: int, whole: str) -> dict[str, float]:
        return {name: round(100 * sums[name, kind] / sums[whole], 2) for name in names}

    found, more = percent(0, "wanted"), percent(1, "wanted")
    return {
        "speech_s": round(sums["wanted"] / common.RATE),
        "silero_s": round(sums["spoken"] / common.RATE),
        "percent": {name: {"found": found[name], "more": more[name]} for name in names},
        "of_silero": percent(2, "spoken"),
        "beyond_silero": percent(3, "spoken"),
    }


if __name__ == "__main__":
    main()
