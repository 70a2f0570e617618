"""How many live streams one core holds: real speech in real time, everything but the network.

Streams of conversation, each with its own recordings and its own phase, are pushed into one hub in
blocks of 20 ms at the pace of real time. Every event is serialised to JSON, as a server would. The
whole process runs on one core, the thread that pushes included, so that it counts against the
streams. Latency is from the capture of a window's last sample to its event, as every event says
itself. Numbers of streams are tried from few to many, each for `--seconds`; a number holds if the
99th percentile is within the budget of 150 ms and no window was given up.

Aim: 500 streams held (300 at least), and a cost for each stream that does not grow with their
number. Linux only.
"""

import os
import resource
import time

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import psutil

from livemood.audio import AudioBlock
from livemood.engine import Hub, MonitorSettings
from livemood.model import load_model

AIM, LEAST = 500, 300
BUDGET_MS = 150.0
BLOCK = common.RATE // 50
SLOTS = 20
"""Streams push at different milliseconds of each 20."""


class Crowd:
    """Streams that all speak at once."""

    def __init__(self, model, count: int, sound: np.ndarray, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.latencies: list[float] = []
        self.speech_ms = self.sound_ms = self.superseded = self.behind = self.bytes = 0
        self._sound = sound[:, np.newaxis]
        self._offsets = rng.integers(0, len(sound) // BLOCK, count)
        # Calls do not begin all at the same moment: windows end every 250 ms from the beginning.
        self._phases = rng.integers(0, 1000, count)
        self._model, self._count = model, count

    def _sink(self, event) -> None:
        self.bytes += len(event.model_dump_json())
        if event.type == "emotion":
            self.latencies.append(event.latency_ms.total)
        elif event.type == "load":
            self.behind += event.behind
        elif event.type == "session.ended":
            summary = event.summary[0]
            self.superseded += summary.superseded
            self.speech_ms += summary.speech_ms
            self.sound_ms += summary.duration_ms

    def run(self, seconds: float) -> dict:
        """Push for `seconds` of real time; figures of this number of streams."""
        with Hub(self._model, busiest=2.0) as hub:
            sessions = [
                hub.open(
                    MonitorSettings(),
                    source="benchmark",
                    sample_rate=common.RATE,
                    channels=1,
                    sinks=[self._sink],
                )
                for _ in range(self._count)
            ]
            used, began = time.process_time(), time.monotonic()
            late = self._push(sessions, seconds)
            load = hub.load
            used, took = time.process_time() - used, time.monotonic() - began
            for session in sessions:
                session.finish()
            for session in sessions:
                session.ended.wait(30)
        return {
            "streams": self._count,
            "windows": len(self.latencies),
            "windows_a_second": round(len(self.latencies) / took, 1),
            "latency_ms": common.quantiles(self.latencies, 50, 95, 99),
            "superseded": self.superseded,
            "streams_behind": self.behind,
            "core_share": round(used / took, 3),
            "ms_a_second_a_stream": round(1000 * used / took / self._count, 3),
            "hub_load": round(load, 3),
            "speech_share": round(self.speech_ms / max(1, self.sound_ms), 3),
            "push_late_ms": round(1000 * late, 1),
        }

    def _push(self, sessions, seconds: float) -> float:
        """Push in real time; by how many seconds the pushing itself came late, at most."""
        blocks = len(self._sound) // BLOCK
        slots = [np.flatnonzero(self._phases % SLOTS == slot).tolist() for slot in range(SLOTS)]
        start, worst = time.monotonic(), 0.0
        for tick in range(round(seconds * 1000)):
            due = start + tick / 1000
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            now = time.monotonic()
            worst = max(worst, now - due)
            for index in slots[tick % SLOTS]:
                number = (tick - self._phases[index]) // SLOTS
                if number < 0:
                    continue
                at = (self._offsets[index] + number) % blocks * BLOCK
                block = self._sound[at : at + BLOCK]
                sessions[index].push(AudioBlock(number * BLOCK, block, due))
        return worst


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--streams", type=int, nargs="*", help="numbers of streams to try")
    parser.add_argument("--seconds", type=float, help="for each number; 60, or 8 with --quick")
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    args = parser.parse_args()
    around = common.surroundings()
    os.sched_setaffinity(0, {args.core})
    model = load_model(args.model, "cpu")
    model.warm_up()
    seconds = args.seconds or (8.0 if args.quick else 60.0)
    numbers = args.streams or ([1, 20] if args.quick else [1, 50, 100, 200, 300, 400, 500])
    sound = common.conversation(120.0 if args.quick else 600.0, args.seed)
    rows, memory = [], {}
    process = psutil.Process()
    for number in numbers:
        rows.append(Crowd(model, number, sound, args.seed).run(seconds))
        memory[number] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        print(rows[-1], f"{process.memory_info().rss / 2**20:.0f} MB", flush=True)
        if not _holds(rows[-1]):
            break
    held = [row for row in rows if _holds(row)]
    best = max(held, key=lambda row: row["streams"], default=None)
    first, last = min(memory), max(memory)
    result = {
        "streams": best["streams"] if best else 0,
        "p99_ms": best["latency_ms"]["p99"] if best else None,
        "superseded": best["superseded"] if best else None,
        "aim": AIM,
        "least": LEAST,
        "met": bool(best and best["streams"] >= AIM),
        "tried": rows,
        "peak_memory_mb": memory,
        "mb_a_stream": round((memory[last] - memory[first]) / max(1, last - first), 3),
        "seconds_each": seconds,
        "model": common.model_info(model),
    }
    common.report("density", {**result, **around}, quick=args.quick)


def _holds(row: dict) -> bool:
    return row["latency_ms"]["p99"] <= BUDGET_MS and not row["superseded"]


if __name__ == "__main__":
    main()
