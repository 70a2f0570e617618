"""How much speech the shipped gate finds, beside plain WebRTC, at three levels.

Clips of every corpus go through the gate. The measure is what plain WebRTC finds in the recording
as it is: which share of it is found by the shipped detector (behind a slow gain, with the
discriminator), and by WebRTC itself, as it is and 20 and 30 dB quieter; and how much more is taken
for speech. WebRTC takes some noise for speech, so not all that is not found was speech.
"""

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soundfile as sf
from level_flags import CORPORA, clips

from livemood.speech import GateSettings, SpeechEnded, SpeechGate, open_detector
from livemood.speech.vad import WebRtcVad

LEVELS_DB = (0, -20, -30)


def speech(detector, sound: np.ndarray) -> np.ndarray:
    """Which samples belong to speech, by the gate with its usual settings."""
    gate = SpeechGate(GateSettings(), detector.frame_length, common.RATE)
    inside = np.zeros(len(sound), bool)
    events = [e for p in detector.probabilities(sound) for e in gate.push(p)]
    for event in [*events, *gate.close()]:
        if isinstance(event, SpeechEnded):
            inside[event.start : event.end] = True
    return inside


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--clips", type=int, default=300, help="of each corpus")
    options = parser.parse_args()
    around = common.surroundings()
    detectors = {"plain": WebRtcVad, "shipped": lambda: open_detector("webrtc")}
    result: dict = {"clips_of_each": options.clips, "corpora": {}}
    of_all: dict[str, list[int]] = {}
    wanted_of_all = 0
    for corpus in CORPORA:
        sums: dict[str, list[int]] = {}
        wanted = 0
        for path in clips(corpus, 6 if options.quick else options.clips, options.seed):
            sound, rate = sf.read(path, dtype="float32", always_2d=True)
            assert rate == common.RATE, path
            sound = sound[:, 0]
            reference = speech(WebRtcVad(), sound)
            wanted += int(reference.sum())
            for name, make in detectors.items():
                for level in LEVELS_DB:
                    found = speech(make(), sound * np.float32(10 ** (level / 20)))
                    counts = sums.setdefault(f"{name} {level} dB", [0, 0])
                    counts[0] += int((found & reference).sum())
                    counts[1] += int((found & ~reference).sum())
        result["corpora"][corpus] = shares(sums, wanted)
        print(corpus, result["corpora"][corpus], flush=True)
        wanted_of_all += wanted
        for name, counts in sums.items():
            of_all[name] = [a + b for a, b in zip(of_all.get(name, [0, 0]), counts, strict=True)]
    result["all"] = shares(of_all, wanted_of_all)
    common.report("speech_found", result | around, quick=options.quick)


def shares(sums: dict[str, list[int]], wanted: int) -> dict:
    """Percent of the speech found, and of what is found beyond it."""
    percent = {
        name: {"found": round(100 * found / wanted, 2), "more": round(100 * more / wanted, 2)}
        for name, (found, more) in sums.items()
    }
    return {"speech_s": round(wanted / common.RATE), "percent": percent}


if __name__ == "__main__":
    main()
