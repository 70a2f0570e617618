"""How many live streams one core holds: real speech in real time, from the sound to the JSON.

Streams of conversation, each at its own place in it and in its own phase, come in blocks of 20 ms
at the pace of real time, either pushed straight into one hub or, with `--rtp`, as PCMU packets over
loopback. Each is one side of a conversation, which is silent while the other side speaks; the share
of speech is reported. Every event is serialised to JSON, as a server would. A process of its own,
on the other core, keeps the time and says which blocks are due, or sends the packets; all threads
of the process measured, the one that makes the blocks and pushes them included, run on one core.
Latency is from the capture of a window's last sample (its arrival, with RTP) to its event, as every
event says itself. Numbers of streams are tried from few to many, each for `--seconds`; a number
holds if the 99th percentile is within the budget of 150 ms and no window was given up.

Aim for the model `small`: 400 streams held by direct push (300 at least) and 200 by RTP (150 at
least); for `default`: 150 by direct push. A stream's cost does not grow with their number. Each
model has a result file of its own, `density_direct_small.json` and so on. Linux only.
"""

import multiprocessing
import os
import socket
import struct
import time
from contextlib import contextmanager

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import psutil

from livemood.audio import AudioBlock
from livemood.engine import Hub, MonitorSettings
from livemood.model import load_model
from livemood.server.garbage import spare_what_is_loaded
from livemood.sources.rtp import RtpPort, RtpReceiver

AIM = {("small", "direct"): 400, ("small", "rtp"): 200, ("default", "direct"): 150}
LEAST = {("small", "direct"): 300, ("small", "rtp"): 150}
BUDGET_MS = 150.0
TICK_MS = 5
"""The load comes at every such tick, each stream at one in four."""
SLOTS = 20 // TICK_MS
DUE = np.dtype([("stream", "<i4"), ("number", "<i4"), ("at", "<i4"), ("due", "<f8")])
"""One block that is due: of which stream, its number, where in the sound, and since when."""


class Load:
    """When each of many streams brings which part of the sound."""

    def __init__(self, count: int, blocks: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._blocks = blocks
        self._offsets = rng.integers(0, blocks, count)
        # Calls do not begin all at the same moment: windows end every 250 ms from the beginning.
        self._phases = rng.integers(0, 1000 // TICK_MS, count)

    def play(self, seconds: float, bring) -> float:
        """Call `bring` with what is due, in real time; how late that came, at most, in seconds."""
        slots = [np.flatnonzero(self._phases % SLOTS == slot) for slot in range(SLOTS)]
        start, worst = time.monotonic(), 0.0
        for tick in range(round(seconds * 1000) // TICK_MS):
            streams = slots[tick % SLOTS]
            blocks = np.empty(len(streams), DUE)
            blocks["stream"] = streams
            blocks["number"] = (tick - self._phases[streams]) // SLOTS
            blocks["at"] = (self._offsets[streams] + blocks["number"]) % self._blocks
            blocks["due"] = due = start + tick * TICK_MS / 1000
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            worst = max(worst, time.monotonic() - due)
            bring(blocks[blocks["number"] >= 0])
        return worst


def tell(pipe, core: int, load: Load, seconds: float) -> None:
    """Say through `pipe` what is due, from a process on a core of its own; at last, how late."""
    os.sched_setaffinity(0, {core})
    worst = load.play(seconds, lambda blocks: len(blocks) and pipe.send_bytes(blocks.tobytes()))
    pipe.send_bytes(b"")
    pipe.send(worst)


def send(pipe, core: int, load: Load, seconds: float, port: int, sound: bytes) -> None:
    """Send streams of G.711 `sound` to `port`, likewise."""
    os.sched_setaffinity(0, {core})
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))
    size = 160

    def bring(blocks: np.ndarray) -> None:
        for stream, number, at, _ in blocks.tolist():
            header = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * size, stream + 1)
            sender.send(header + sound[at * size : (at + 1) * size])

    pipe.send(load.play(seconds, bring))


@contextmanager
def beside(work, core: int, load: Load, seconds: float, *args):
    """What `work` says through a pipe, in a process on the core beside `core`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(theirs, 1 - core, load, seconds, *args))
    process.start()
    theirs.close()
    yield ours
    process.join()


class Crowd:
    """Streams that all speak at once."""

    def __init__(self, model, count: int, sound: np.ndarray, seed: int) -> None:
        self.latencies: list[float] = []
        self.speech_ms = self.sound_ms = self.behind = self.bytes = 0
        self._sound, self._seed = sound, seed
        self._model, self._count = model, count

    def _sink(self, event) -> None:
        self.bytes += len(event.model_dump_json())
        if event.type == "emotion":
            self.latencies.append(event.latency_ms.total)
        elif event.type == "load":
            self.behind += event.behind
        elif event.type == "session.ended":
            summary = event.summary[0]
            self.speech_ms += summary.speech_ms
            self.sound_ms += summary.duration_ms

    def _open(self, hub: Hub, rate: int):
        return hub.open(
            MonitorSettings(),
            source="benchmark",
            sample_rate=rate,
            channels=1,
            sinks=[self._sink],
        )

    def run(self, how: str, seconds: float, core: int) -> dict:
        """Real time for `seconds`; figures of this number of streams."""
        with Hub(self._model, busiest=2.0) as hub:
            used, began = time.process_time(), time.monotonic()
            bring = self._pushed if how == "direct" else self._sent
            sessions, late = bring(hub, seconds, core)
            # What follows is not live: every session is ended at the same moment.
            load, latencies, behind = hub.load, self.latencies.copy(), self.behind
            superseded = sum(c.superseded for s in sessions for c in s._core._channels)
            used, took = time.process_time() - used, time.monotonic() - began
            for session in sessions:
                session.finish()
            for session in sessions:
                session.ended.wait(30)
        return {
            "streams": self._count,
            "opened": len(sessions),
            "windows": len(latencies),
            "windows_a_second": round(len(latencies) / took, 1),
            "latency_ms": common.quantiles(latencies, 50, 95, 99),
            "superseded": superseded,
            "times_behind": behind,
            "core_share": round(used / took, 3),
            "ms_a_second_a_stream": round(1000 * used / took / self._count, 3),
            "hub_load": round(load, 3),
            "speech_share": round(self.speech_ms / max(1, self.sound_ms), 3),
            "load_late_ms": round(1000 * late, 1),
        }

    def _pushed(self, hub: Hub, seconds: float, core: int):
        sessions = [self._open(hub, common.RATE) for _ in range(self._count)]
        size = common.RATE // 50
        blocks = list(self._sound[: len(self._sound) // size * size].reshape(-1, size, 1))
        with beside(tell, core, Load(self._count, len(blocks), self._seed), seconds) as pipe:
            while message := pipe.recv_bytes():
                for stream, number, at, due in np.frombuffer(message, DUE).tolist():
                    sessions[stream].push(AudioBlock(number * size, blocks[at], due))
            return sessions, pipe.recv()

    def _sent(self, hub: Hub, seconds: float, core: int):
        sessions = []

        def opened(_ssrc: int, form):
            session = self._open(hub, form.rate)
            sessions.append(session)
            return lambda block: session.finish() if block is None else session.push(block)

        coded = common.mu_law(self._sound)
        load = Load(self._count, len(coded) // 160, self._seed)
        with RtpReceiver() as receiver:
            port = receiver.listen(RtpPort("127.0.0.1", 0, opened)).port
            with beside(send, core, load, seconds, port, coded) as pipe:
                return sessions, pipe.recv()


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--rtp", action="store_true", help="PCMU over loopback, not direct push")
    parser.add_argument("--streams", type=int, nargs="*", help="numbers of streams to try")
    parser.add_argument("--seconds", type=float, help="for each number; 60, or 8 with --quick")
    parser.add_argument("--core", type=int, default=0, choices=(0, 1), help="the core to run on")
    args = parser.parse_args()
    how = "rtp" if args.rtp else "direct"
    around = common.surroundings()
    os.sched_setaffinity(0, {args.core})
    model = load_model(args.model, "cpu")
    model.warm_up()
    spare_what_is_loaded()  # as `livemood serve` does
    seconds = args.seconds or (8.0 if args.quick else 60.0)
    usual = [1, 50, 100, 150, 200, 300] + ([] if args.rtp else [400, 500])
    numbers = args.streams or ([1, 20] if args.quick else usual)
    sound = common.one_side(120.0 if args.quick else 600.0, args.seed)
    rows, memory = [], {}
    process = psutil.Process()
    for number in numbers:
        rows.append(Crowd(model, number, sound, args.seed).run(how, seconds, args.core))
        memory[number] = round(process.memory_info().rss / 2**20, 1)
        print(rows[-1], f"{memory[number]:.0f} MB", flush=True)
        if not _holds(rows[-1]):
            break
    held = [row for row in rows if _holds(row)]
    best = max(held, key=lambda row: row["streams"], default=None)
    first, last = min(memory), max(memory)
    name = model.manifest.name
    aim = AIM.get((name, how))
    result = {
        "how": how,
        "streams": best["streams"] if best else 0,
        "p99_ms": best["latency_ms"]["p99"] if best else None,
        "superseded": best["superseded"] if best else None,
        "aim": aim,
        "least": LEAST.get((name, how)),
        "met": bool(best and best["streams"] >= aim) if aim else None,
        "tried": rows,
        "memory_mb": memory,
        "mb_a_stream": round((memory[last] - memory[first]) / max(1, last - first), 3),
        "seconds_each": seconds,
        "model": common.model_info(model),
    }
    common.report(f"density_{how}_{name}", {**result, **around}, quick=args.quick)


def _holds(row: dict) -> bool:
    whole = row["opened"] == row["streams"] and not row["superseded"]
    return whole and row["latency_ms"]["p99"] <= BUDGET_MS


if __name__ == "__main__":
    main()
