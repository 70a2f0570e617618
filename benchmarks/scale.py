"""What workers cost, and what they hold: one, two and four processes at one address.

`livemood serve --workers N` takes real speech in real time over real sockets: half of the streams
are calls over RTP (PCMU, 20 ms a packet), half WebSocket streams (16 kHz, 50 ms a message), each
with one watcher, at whichever worker accepts it. Each stream is one side of a conversation.

**Cost.** The same `--streams` run with each number of workers in turn, `--rounds` times, the order
turned each time. Processor seconds are those of all processes of the server, supervisor included.
Aim: a stream costs within 15 % of what it costs with one worker. A process with fewer streams reads
smaller batches, sooner, which costs more by itself: so one worker is also run with as many streams
as each of several has, and compared with those. The supervisor's own processor time, and its open
network sockets besides the one that is listened on, say that nothing passes through it.

**Held.** One worker, then two, with ever more streams, until the 99th percentile of latency exceeds
the budget of 150 ms, a window is given up or a stream is refused. The load comes from this machine
too: `load_share` is how much of all its processors that takes, so what is held is a lower bound.
Linux only.
"""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import psutil
from common_serve import Server, Sound, serve
from sessions import BUDGET_MS, Crowd

WORKERS = (1, 2, 4)
AIM = 0.15
ALL = ("--set", "busiest=1.0", "--set", "limits.sessions=2000")
MORE = ("--set", "limits.sessions_per_token=2000", "--set", "limits.waiting_channels=2000")


def processes(server: Server) -> list[psutil.Process]:
    """The server's own, the supervisor or the only one first, then its workers."""
    first = psutil.Process(server.process.pid)
    return [first, *first.children()]


def used_s(process: psutil.Process) -> float:
    """Processor seconds of a process so far."""
    return sum(process.cpu_times()[:2])


async def run(workers: int, streams: int, seconds: float, model: str, sound: Sound) -> dict:
    """Figures of so many streams for so long."""
    flags = (*ALL, *MORE, "--set", "rtp.first_port=40000", "--set", "rtp.last_port=44999")
    with (
        tempfile.TemporaryDirectory() as data,
        serve(Path(data), "--workers", str(workers), "--model", model, *flags) as server,
    ):
        crowd = Crowd(server, sound)
        crowd.task(crowd.sender.run())
        for number in range(streams):
            crowd.task(crowd.offer(number, 1, again=False))
            await asyncio.sleep(0.05)
        deadline = time.monotonic() + 20
        while len(crowd.streams) < streams and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        there = processes(server)
        before, own = [used_s(p) for p in there], used_s(psutil.Process())
        crowd.sender.late, began = 0.0, time.time()
        await asyncio.sleep(seconds)
        took = time.time() - began
        after, own = [used_s(p) for p in there], used_s(psutil.Process()) - own
        used = [b - a for a, b in zip(before, after, strict=True)]
        sockets = [c for c in there[0].net_connections() if c.status != psutil.CONN_LISTEN]
        memory = sum(p.memory_info().rss for p in there)
        figures = crowd.figures(began, began + took)
        await crowd.end()
    cores = len(os.sched_getaffinity(0))
    result = {
        "workers": workers,
        "offered": streams,
        "streams": len(crowd.streams),
        "refused": dict(crowd.refusals),
        **figures,
        "superseded": crowd.superseded,
        "ms_a_second_a_stream": round(1000 * sum(used) / took / max(1, len(crowd.streams)), 3),
        "core_share_of_each": [round(u / took, 3) for u in used],
        "memory_mb": round(memory / 2**20, 1),
        "load_share": round(own / took / cores, 3),
        "sender_late_ms": round(1000 * crowd.sender.late, 1),
    }
    if workers > 1:
        result |= {"supervisor_core_share": used[0] / took, "supervisor_sockets": len(sockets)}
    print(result, flush=True)
    return result


def holds(row: dict, streams: int) -> bool:
    """Whether all of so many streams were read in time."""
    whole = row["streams"] == streams and not row["superseded"] and row["windows"]
    return bool(whole) and row["latency_ms"]["p99"] <= BUDGET_MS


def median(rows: list[dict], workers: int, streams: int) -> float:
    """Processor milliseconds a second a stream, of the rounds with so many."""
    chosen = [r for r in rows if (r["workers"], r["offered"]) == (workers, streams)]
    return statistics.median(r["ms_a_second_a_stream"] for r in chosen)


async def main() -> None:
    parser = common.arguments(__doc__)
    parser.set_defaults(model="small")
    parser.add_argument("--streams", type=int, default=40, help="of the comparison of costs")
    parser.add_argument("--seconds", type=float, help="each; 30, or 5 with --quick")
    parser.add_argument("--rounds", type=int, help="of the comparison; 3, or 1 with --quick")
    parser.add_argument("--hold", type=int, nargs="*", help="numbers to try to hold; none skips it")
    args = parser.parse_args()
    seconds = args.seconds or (5.0 if args.quick else 30.0)
    around = common.surroundings()
    sound = Sound(120.0, args.seed)
    numbers = WORKERS[:2] if args.quick else WORKERS
    streams = 6 if args.quick else args.streams
    rows = []
    for turn in range(args.rounds or (1 if args.quick else 3)):
        order = numbers[turn % len(numbers) :] + numbers[: turn % len(numbers)]
        for n in order:
            rows.append(await run(n, streams, seconds, args.model, sound))
            if n > 1:  # what one process costs with as few as each of these has
                rows.append(await run(1, streams // n, seconds, args.model, sound))
    costs = {n: median(rows, n, streams) for n in numbers}
    ratios = {n: round(cost / costs[1], 3) for n, cost in costs.items()}
    shares = {n: round(costs[n] / median(rows, 1, streams // n), 3) for n in numbers}
    numbers_held = HOLD if args.hold is None else args.hold
    tried = [] if args.quick else await hold(numbers_held, seconds, args.model, sound)
    held = {
        n: max((r["streams"] for r in tried if r["workers"] == n and r["held"]), default=0)
        for n in (1, 2)
    }
    result = {
        "ms_a_second_a_stream": costs,
        "ratio_to_one_worker": ratios,
        "ratio_to_one_worker_with_as_many_each": shares,
        "aim": f"both within {AIM:.0%}",
        "met": all(abs(r - 1) <= AIM for r in (*ratios.values(), *shares.values())),
        "supervisor_sockets": max(r.get("supervisor_sockets", 0) for r in rows),
        "supervisor_core_share": max(r.get("supervisor_core_share", 0.0) for r in rows),
        "held": held,
        "load_average_at_end": os.getloadavg(),
        "streams_compared": streams,
        "seconds_each": seconds,
        "compared": rows,
        "tried": tried,
        "model": args.model,
    }
    common.report("scale", {**result, **around}, quick=args.quick)


HOLD = [60, 90, 120, 160, 200]


async def hold(numbers: list[int], seconds: float, model: str, sound: Sound) -> list[dict]:
    """Ever more streams, with one worker and with two, in turn."""
    rows, going = [], {1, 2}
    for streams in numbers:
        for workers in sorted(going):
            row = await run(workers, streams, seconds, model, sound)
            row["held"] = holds(row, streams)
            rows.append(row)
            if not row["held"]:
                going.discard(workers)
    return rows


if __name__ == "__main__":
    asyncio.run(main())
