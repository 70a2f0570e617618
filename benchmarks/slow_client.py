"""What a client that stops reading costs the client beside it.

Events of a real session are published at a fixed pace, many times faster than a session makes them.
A quick client notes when each arrives; in every other round a second client is connected that reads
nothing at all. Rounds alternate in one run. Latency = arrival minus the moment of publishing.

Aim: the quick client's p99 does not move, and only the stuck one loses events, which it is told.
"""

import asyncio
import itertools
import socket
import time

import common  # first: it sets one thread before numpy is loaded
import numpy as np
from websockets.asyncio.client import connect

PACE = 2000  # events a second


async def one_round(events, seconds, stuck):
    """Latencies in ms of the quick client over one session, and what the stuck one lost."""
    from livemood.server import ServerThread
    from livemood.timeline.events import parse_event

    count = round(seconds * PACE)
    sent, latencies, lost = {}, [], {"quick": 0, "stuck": 0}
    with ServerThread(0, history=count + 1) as server:

        async def publish():
            began = time.perf_counter()
            for seq, event in enumerate(itertools.islice(itertools.cycle(events), count), start=1):
                due = began + seq / PACE
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                sent[seq] = time.perf_counter()
                server.publish(event.model_copy(update={"seq": seq}))

        async def receive(client):
            async for text in client:
                now = time.perf_counter()
                event = parse_event(text)
                if event.type == "error":
                    lost["quick"] += event.count
                    continue
                latencies.append(1000 * (now - sent[event.seq]))
                if event.seq == count:
                    return

        async with connect(f"{server.url}?after=0", close_timeout=0.1) as quick:
            if not stuck:
                await asyncio.gather(publish(), receive(quick))
                return latencies, lost
            small = socket.create_connection(("127.0.0.1", server.port))
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            small.setblocking(False)
            address = f"{server.url}?after=0"
            async with connect(address, sock=small, max_queue=1, close_timeout=0.1) as other:
                await asyncio.gather(publish(), receive(quick))
                seen = 0
                while seen < count:
                    event = parse_event(await other.recv())
                    seen = event.seq or seen
                    if event.type == "error":
                        lost["stuck"] += event.count
    return latencies, lost


async def measure(events, rounds, seconds):
    results = {False: [], True: []}
    lost = {"quick": [], "stuck": []}
    for _ in range(rounds):
        for stuck in (False, True):
            latencies, gone = await one_round(events, seconds, stuck)
            results[stuck].append(np.percentile(latencies, 99))
            lost["quick"].append(gone["quick"])
            if stuck:
                lost["stuck"].append(gone["stuck"])
    return results, lost


def main():
    args = common.arguments(__doc__).parse_args()
    around = common.surroundings()
    from livemood.engine import analyze_file
    from livemood.model import load_model

    with common.conversation_file(30.0, args.seed) as path:
        timeline, _ = analyze_file(path, load_model(args.model, "cpu"))
    events = timeline.events[1:-1]
    rounds, seconds = (2, 5.0) if args.quick else (6, 10.0)
    results, lost = asyncio.run(measure(events, rounds, seconds))
    alone, beside = (float(np.median(results[stuck])) for stuck in (False, True))
    result = {
        "p99_ratio": round(beside / alone, 3),
        "p99_ms_alone": [round(float(x), 3) for x in results[False]],
        "p99_ms_beside_a_stuck_client": [round(float(x), 3) for x in results[True]],
        "events_a_round": round(seconds * PACE),
        "events_a_second": PACE,
        "lost_by_the_quick_client": lost["quick"],
        "lost_by_the_stuck_client": lost["stuck"],
    }
    common.report("slow_client", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
