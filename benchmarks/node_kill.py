"""How soon the sessions of a killed node are listed as ended, and their watchers told.

Three nodes of a cluster run as processes, with a NATS and a PostgreSQL of their own. Each has
sessions that are streamed to at the pace of time. One node is killed (`kill -9`), again and again;
another one takes its place each time. From the kill on, one of the other nodes is asked for each of
its sessions until it says `ended`, and watchers there wait for the end. All of it runs on this
machine, which may be busy: `load_average` says how much. Aim: 6 s.

    python benchmarks/node_kill.py                # ten kills, 4 sessions a node
    python benchmarks/node_kill.py --quick        # one kill, 1 session
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import httpx
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "server" / "cluster")]

RATE, BLOCK, AIM_S = 16000, 1600, 6.0
LOOK_S = 0.05


def socket(node, path):
    """A WebSocket to a node."""
    headers = {"Authorization": f"Bearer {node.token}"}
    url = node.url.replace("http", "ws", 1) + path
    return connect(url, additional_headers=headers, compression=None, max_size=None)


async def talk(node, samples, begun):
    """Stream at the pace of time until the node is gone; `begun` gets the session."""
    start = {"type": "start", "rate": RATE, "encoding": "s16le", "purpose": "personal"}
    with suppress(WebSocketException, OSError):
        async with socket(node, "/v1/stream") as ws:
            await ws.send(json.dumps(start | {"informed": True}))
            begun.set_result(json.loads(await ws.recv())["session"])
            reading = asyncio.ensure_future(drop(ws))
            at, loop = 0, asyncio.get_running_loop()
            began = loop.time()
            while not reading.done():
                place = at % (len(samples) - BLOCK)
                await ws.send(samples[place : place + BLOCK].tobytes())
                at += BLOCK
                await asyncio.sleep(max(0.0, began + at / RATE - loop.time()))


async def drop(ws):
    """Read what comes."""
    with suppress(WebSocketException):
        async for _ in ws:
            pass


async def told(node, session):
    """When a watcher gets the end of a session, and with which number."""
    async with socket(node, f"/v1/timeline?session={session}&after=0") as ws:
        had, whole = 0, True
        async for text in ws:
            event = json.loads(text)
            if event["seq"] is None:
                continue
            whole, had = whole and event["seq"] == had + 1, event["seq"]
            if event["type"] == "session.ended":
                return time.monotonic(), whole and event["reason"] == "interrupted"
    return None, False


async def listed(http, session):
    """When a session is said to have ended."""
    while True:
        record = (await http.get(f"/v1/sessions/{session}")).json()
        if record["state"] == "ended":
            return time.monotonic(), record["reason"] == "interrupted"
        await asyncio.sleep(LOOK_S)


async def kill(doomed, others, samples, sessions):
    """One kill: seconds until all is said."""
    begun = [asyncio.get_running_loop().create_future() for _ in range(3 * sessions)]
    nodes = [node for node in (doomed, *others) for _ in range(sessions)]
    talking = [
        asyncio.ensure_future(talk(node, samples, each))
        for node, each in zip(nodes, begun, strict=True)
    ]
    ids = await asyncio.gather(*begun)
    lost = ids[:sessions]
    watching = [asyncio.ensure_future(told(others[0], session)) for session in lost]
    await asyncio.sleep(4)
    headers = {"Authorization": f"Bearer {doomed.token}"}
    async with httpx.AsyncClient(base_url=others[1].url, headers=headers, timeout=30) as http:
        at = time.monotonic()
        doomed.process.kill()
        said = await asyncio.gather(*(listed(http, session) for session in lost))
        seen = await asyncio.gather(*watching)
        others_live = [(await http.get(f"/v1/sessions/{s}")).json() for s in ids[sessions:]]
    doomed.process.wait()
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    return {
        "listed_s": round(max(when for when, _ in said) - at, 2),
        "watchers_told_s": round(max(when or at + 60 for when, _ in seen) - at, 2),
        "right": all(right for _, right in (*said, *seen)),
        "others_went_on": all(record["state"] == "live" for record in others_live),
        "load_average": round(os.getloadavg()[0], 1),
    }


async def measure(cluster, samples, kills, sessions):
    """All kills."""
    nodes = [cluster.node(name) for name in "abc"]
    rows = []
    for n in range(kills):
        doomed, *others = nodes
        rows.append(await kill(doomed, others, samples, sessions))
        print(json.dumps(rows[-1]), flush=True)
        nodes = [*others, await asyncio.to_thread(cluster.node, f"new-{n}")]
    return rows


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--kills", type=int, help="10, or 1 with --quick")
    parser.add_argument("--sessions", type=int, help="a node; 4, or 1 with --quick")
    args = parser.parse_args()
    kills = args.kills or (1 if args.quick else 10)
    sessions = args.sessions or (1 if args.quick else 4)
    around = common.surroundings()
    from nodes import Cluster
    from own_servers import Nats, Postgres

    samples = (common.conversation(30, args.seed) * 32767).astype(np.int16)
    with (
        tempfile.TemporaryDirectory() as folder,
        Nats("benchmark") as nats,
        Postgres() as postgres,
        Cluster(Path(folder), nats, postgres.new()) as cluster,
    ):
        rows = asyncio.run(measure(cluster, samples, kills, sessions))
    listed_s = [row["listed_s"] for row in rows]
    told_s = [row["watchers_told_s"] for row in rows]
    result = {
        "kills": kills,
        "sessions_a_node": sessions,
        "listed_s": common.quantiles(listed_s, 0, 50, 100),
        "watchers_told_s": common.quantiles(told_s, 0, 50, 100),
        "all_right": all(row["right"] and row["others_went_on"] for row in rows),
        "aim_s": AIM_S,
        "met": max(listed_s) <= AIM_S,
        "each": rows,
    }
    common.report("node_kill", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
