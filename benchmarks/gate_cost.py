"""What it costs to hear whether somebody speaks: the shipped gate in parts, beside Silero.

Blocks of 240 ms, as the gate gets them while somebody speaks, of speech end to end, of music, and
of a quiet room. Measured one after the other on each block, so that whatever else the machine does
meets all alike: WebRTC's detector alone; the same behind the slow gain; the shipped detector,
which is that with the discriminator; the gate, with the share of speech behind it; and Silero's
network on the same sound. Microseconds of processor time on one thread.

Aim: detector and gate cost less than a tenth of Silero's detector.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np

from livemood.audio import Span
from livemood.speech import GateSettings, SpeechGate, open_detector
from livemood.speech.evidence import SpeechEvidence
from livemood.speech.vad import LevelProofDetector, SileroVad, WebRtcVad

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from made_music import music

BLOCK, FRAME, WINDOW = 3840, 320, 3 * common.RATE
WARM_UP = 20


class Gate:
    """The gate, and how much of a window is speech, with decisions that were made before."""

    def __init__(self) -> None:
        self._gate = SpeechGate(GateSettings(), FRAME, common.RATE)
        self._evidence, self._end = SpeechEvidence(FRAME, WINDOW + common.RATE), 0

    def take(self, decisions: list[float]) -> None:
        """Take the decisions on a block."""
        self._evidence.push(decisions)
        self._end += FRAME * len(decisions)
        if not self._gate.push_alike(decisions):
            for decision in decisions:
                self._gate.push(decision)
        if self._gate.is_open:
            self._evidence.share(Span(max(0, self._end - WINDOW), self._end))


def measure(sound: np.ndarray) -> dict[str, float]:
    """Median microseconds for a block."""
    detectors = {
        "webrtc": WebRtcVad(),
        "with_gain": LevelProofDetector(WebRtcVad()),
        "shipped": open_detector("webrtc"),
        "silero": SileroVad(),
    }
    gate = Gate()
    spent: dict[str, list[float]] = defaultdict(list)
    for start in range(0, len(sound) - BLOCK + 1, BLOCK):
        block, decisions = sound[start : start + BLOCK], {}
        for name, detector in detectors.items():
            # Silero's frames do not divide the block: it hears as much, to its next whole frame.
            began = time.process_time()
            decisions[name] = detector.probabilities(block)
            spent[name].append(time.process_time() - began)
        began = time.process_time()
        gate.take(decisions["shipped"])
        spent["gate"].append(time.process_time() - began)
    out = {
        name: round(1e6 * float(np.median(values[WARM_UP:])), 1) for name, values in spent.items()
    }
    scale = BLOCK / (BLOCK // SileroVad.frame_length * SileroVad.frame_length)
    return out | {"silero": round(out["silero"] * scale, 1)}


def main() -> None:
    options = common.arguments(__doc__).parse_args()
    around = common.surroundings()
    seconds = 12 if options.quick else 120
    rng = np.random.default_rng(options.seed)
    spoken = np.concatenate(common.clips(4 + seconds, options.seed))[: seconds * common.RATE]
    made = music(rng, seconds)
    sounds = {
        "speech": spoken,
        "music": 0.1 * made / np.abs(made).max(),
        "quiet room": 10 ** (-60 / 20) * rng.standard_normal(seconds * common.RATE),
    }
    found = {name: measure(sound.astype(np.float32)) for name, sound in sounds.items()}
    speech = found["speech"]
    result = {
        "block_ms": 1000 * BLOCK // common.RATE,
        "microseconds": found,
        "silero_times": round(speech["silero"] / (speech["shipped"] + speech["gate"]), 2),
        "aim": 10.0,
    }
    common.report("gate_cost", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
