"""Latency from captured sound to a WebSocket client, in real time, and what it costs.

A child process does what `livemood listen --file` does: a conversation of real recordings is played
at the pace of time, 20 ms a block, read, and served on the loopback interface; this process is the
client. Latency of an `emotion` event = what the event says of itself, from the capture of the sound
that completed its window, and `delivery`: from the moment it was handed out to the moment its
message has arrived here (serialising, server, socket, client). `queue` (waiting for the block to
fill, threads, gate) and `compute` (features, network, smoothing) are the event's own. `age` is how
old the last sample that was read is when the message arrives: where speech pauses, a network in
blocks leaves out up to one block. All is on the monotonic clock, which the processes of a machine
share. CPU time is that of the child while the sound plays, start-up left out; memory is its peak,
start-up included.

Aim: 99 % of events within 50 ms, for less than 10 % of one core.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import psutil
from websockets.asyncio.client import connect

AIM = {"p99_ms": 50.0, "cpu_share": 0.10}


def serve_child(path: str, model_name: str) -> None:
    """The child: says when it is ready, plays on the word, and stays until its input ends."""
    from livemood.engine import MonitorSettings, run
    from livemood.model import load_model
    from livemood.server import ServerThread
    from livemood.sources import FileSource

    class Noted(FileSource):
        """A file that notes when its first sample was due."""

        origin = 0.0

        def blocks(self):
            """The file's blocks, as they are."""
            for block in super().blocks():
                if block.start == 0:
                    self.origin = block.captured_at - len(block.samples) / self.sample_rate
                yield block

    def say(**fields) -> None:
        print(json.dumps(fields), flush=True)

    handed = {}

    def publish(event) -> None:
        handed[event.seq] = time.monotonic()
        server.publish(event)

    model = load_model(model_name)
    model.warm_up()
    source = Noted(path, speed=1.0)
    with ServerThread(0) as server:
        say(url=server.url, model=common.model_info(model))
        sys.stdin.readline()
        failure = run(source, model, MonitorSettings(), [publish])
        said = str(failure) if failure else None
        say(origin=source.origin, handed=handed, failure=said)
        sys.stdin.read()


async def listen(child: subprocess.Popen, url: str) -> tuple[list[tuple[float, dict]], dict]:
    """Start the sound, take every message with its time of arrival; what the child has used."""
    process = psutil.Process(child.pid)
    messages = []
    async with connect(f"{url}?after=0") as socket:
        cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
        child.stdin.write("go\n")
        child.stdin.flush()
        async for text in socket:
            messages.append((time.monotonic(), text))
            if '"type":"session.ended"' in text:
                break
        wall = time.monotonic() - began
        used = sum(process.cpu_times()[:2]) - cpu
    status = Path(f"/proc/{child.pid}/status").read_text("utf-8")
    peak_kb = int(status.partition("VmHWM:")[2].split()[0])
    cost = {"cpu_share": round(used / wall, 4), "peak_mb": round(peak_kb / 1024, 1)}
    return [(at, json.loads(text)) for at, text in messages], cost


def measure(path: Path, model: str) -> dict:
    command = [sys.executable, __file__, "--serve-child", str(path), "--model", model]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        ready = json.loads(child.stdout.readline() or "null")
        if not ready:
            raise SystemExit("the monitor did not start")
        messages, cost = asyncio.run(listen(child, ready["url"]))
        done = json.loads(child.stdout.readline())
        child.stdin.close()
    if done["failure"]:
        raise SystemExit(f"the sound failed: {done['failure']}")
    emotions = [(at, event) for at, event in messages if event["type"] == "emotion"]
    if not emotions:
        raise SystemExit("no emotion event came: is there speech in the recordings?")
    parts = {part: [e["latency_ms"][part] for _, e in emotions] for part in ("queue", "compute")}
    parts["delivery"] = [1000 * (at - done["handed"][str(e["seq"])]) for at, e in emotions]
    own = [event["latency_ms"]["total"] for _, event in emotions]
    to_client = [sum(both) for both in zip(own, parts["delivery"], strict=True)]
    age = [1000 * (at - done["origin"]) - event["end_ms"] for at, event in emotions]
    result = {f"{k}_ms": v for k, v in common.quantiles(to_client, 50, 95, 99).items()}
    result["max_ms"] = round(max(to_client), 3)
    result["parts_ms"] = {
        part: {**common.quantiles(values, 50, 95, 99), "max": round(max(values), 3)}
        for part, values in parts.items()
    }
    result["age_ms"] = {**common.quantiles(age, 50, 95, 99), "max": round(max(age), 3)}
    worst = [emotions[i][1] for i in np.argsort(to_client)[:-4:-1]]
    result["worst"] = [{k: e[k] for k in ("end_ms", "latency_ms", "behind")} for e in worst]
    summary = messages[-1][1]["summary"][0]
    result |= cost
    result |= {key: summary[key] for key in ("windows", "superseded", "duration_ms", "speech_ms")}
    result["load_events"] = sum(event["type"] == "load" for _, event in messages)
    result["model"] = ready["model"]
    return result


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--seconds", type=float, help="of sound; 300, or 30 with --quick")
    parser.add_argument("--serve-child", metavar="WAV", help="for the script itself")
    args = parser.parse_args()
    if args.serve_child:
        serve_child(args.serve_child, args.model)
        return
    around = common.surroundings()
    with common.conversation_file(args.seconds or (30 if args.quick else 300), args.seed) as path:
        result = measure(path, args.model)
    met = all(result[key] < limit for key, limit in AIM.items())
    common.report("latency", {**result, "aim": AIM, "met": met, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
