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


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--clips", type=int, default=300, help="of each corpus")
    options = parser.parse_args()
    around, model = common.surroundings(), load_model(options.model)
    detectors = {"plain": WebRtcVad, "shipped": lambda: open_detector("webrtc")}
    result: dict = {"clips_of_each": options.clips, "corpora": {}}
    of_all: dict[str, list[int]] = {}
    wanted_of_all = spoken_of_all = 0
    for corpus in CORPORA:
        sums: dict[str, list[int]] = {}
        wanted = spoken = 0
        brought = unread = 0
        rng = np.random.default_rng(options.seed)
        for path in clips(corpus, 6 if options.quick else options.clips, options.seed):
            sound, rate = sf.read(path, dtype="float32", always_2d=True)
            assert rate == common.RATE, path
            sound = sound[:, 0]
            reference = speech(WebRtcVad(), sound)
            wanted += int(reference.sum())
            silero = heard_by_silero(sound)
            spoken += int(silero.sum())
            more = windows(model, sound)
            brought, unread = brought + more[0], unread + more[1]
            for condition, changed in conditions(sound, rng).items():
                for name, make in detectors.items():
                    found = speech(make(), changed)
                    counts = sums.setdefault(f"{name} {condition}", [0, 0, 0, 0])
                    counts[0] += int((found & reference).sum())
                    counts[1] += int((found & ~reference).sum())
                    counts[2] += int((found & silero).sum())
                    counts[3] += int((found & ~silero).sum())
        unread_percent = {"unread_percent": round(100 * unread / max(1, brought), 2)}
        result["corpora"][corpus] = shares(sums, wanted, spoken) | unread_percent
        print(corpus, result["corpora"][corpus], flush=True)
        wanted_of_all += wanted
        spoken_of_all += spoken
        for name, counts in sums.items():
            before = of_all.get(name, [0, 0, 0, 0])
            of_all[name] = [a + b for a, b in zip(before, counts, strict=True)]
    result["all"] = shares(of_all, wanted_of_all, spoken_of_all)
    common.report("speech_found", result | around, quick=options.quick)


def shares(sums: dict[str, list[int]], wanted: int, spoken: int) -> dict:
    """Percent found of the speech by either measure, and of what is found beyond WebRTC's."""
    percent = {
        name: {"found": round(100 * found / wanted, 2), "more": round(100 * more / wanted, 2)}
        for name, (found, more, _, _) in sums.items()
    }
    of_silero = {name: round(100 * counts[2] / spoken, 2) for name, counts in sums.items()}
    beyond = {name: round(100 * counts[3] / spoken, 2) for name, counts in sums.items()}
    return {
        "speech_s": round(wanted / common.RATE),
        "silero_s": round(spoken / common.RATE),
        "percent": percent,
        "of_silero": of_silero,
        "beyond_silero": beyond,
    }


if __name__ == "__main__":
    main()
