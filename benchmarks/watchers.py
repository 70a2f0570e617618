"""What watchers of one session cost the node that has it, where other nodes serve them.

Three nodes of a cluster run as processes, with a NATS and a PostgreSQL of their own. One session is
streamed to the first node at the pace of time. Stretches without watchers and with many, at the two
other nodes, take turns. Of each the first node's processor time and the bytes that it sent are taken
from the system. Watchers count what they get: each has to have every event once and in order.

    python benchmarks/watchers.py                # 2000 watchers, six stretches of 20 s
    python benchmarks/watchers.py --quick        # 50 watchers, two stretches of 5 s
"""

import argparse
import asyncio
import json
import re
import resource
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import mean

import psutil
import soundfile as sf
from common import machine, save
from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "server" / "cluster")]

SEQ = re.compile(r'"seq":(\d+)')


def used(process):
    """Processor seconds, and bytes sent on all of its connections that are open now."""
    times = process.cpu_times()
    return times.user + times.system


def sent(process):
    """Bytes that the process wrote, to sockets and files alike."""
    return process.io_counters().write_chars


class Watcher:
    """One who follows the session, and looks at numbers alone."""

    def __init__(self):
        self.had, self.first, self.wrong = 0, 0, 0

    async def run(self, url, token, ready, stop):
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(url, additional_headers=headers, compression=None) as ws:
            ready()
            stopping = asyncio.ensure_future(stop.wait())
            while not stop.is_set():
                reading = asyncio.ensure_future(ws.recv())
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    break
                found = SEQ.search(str(reading.result()))
                if found is None:
                    self.wrong += 1
                    continue
                number = int(found[1])
                self.first = self.first or number
                self.wrong += bool(self.had) and number != self.had + 1
                self.had = number


async def talk(node, samples, session, stop):
    """Stream sound at the pace of time."""
    headers = {"Authorization": f"Bearer {node.token}"}
    url = node.url.replace("http", "ws", 1) + "/v1/stream"
    async with connect(url, additional_headers=headers, compression=None) as ws:
        start = {"type": "start", "rate": 16000, "encoding": "s16le", "purpose": "personal"}
        await ws.send(json.dumps(start | {"informed": True}))
        session.set_result(json.loads(await ws.recv())["session"])

        async def drop():
            async for _ in ws:
                pass

        dropping = asyncio.ensure_future(drop())
        at, loop = 0, asyncio.get_running_loop()
        began, count = loop.time(), 0
        while not stop.is_set():
            await ws.send(samples[at : at + 1600].tobytes())
            at = (at + 1600) % (len(samples) - 1600)
            count += 1
            await asyncio.sleep(max(0.0, began + count * 0.1 - loop.time()))
        dropping.cancel()


async def stretch(nodes, session, watchers, seconds):
    """One stretch: what the owner used and sent in it, and what watchers got."""
    owner, *others = nodes
    process = psutil.Process(owner.process.pid)
    stop, all_there = asyncio.Event(), asyncio.Event()
    there = 0

    def ready():
        nonlocal there
        there += 1
        if there == watchers:
            all_there.set()

    made = [Watcher() for _ in range(watchers)]
    running = []
    for n, watcher in enumerate(made):
        node = others[n % len(others)]
        url = f"{node.url.replace('http', 'ws', 1)}/v1/timeline?session={session}"
        running.append(asyncio.ensure_future(watcher.run(url, node.token, ready, stop)))
        if n % 20 == 19:
            await asyncio.sleep(0.05)
    if watchers:
        await asyncio.wait_for(all_there.wait(), 120)
    cpu, wrote = used(process), sent(process)
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    took = asyncio.get_running_loop().time() - began
    result = {
        "watchers": watchers,
        "seconds": round(took, 2),
        "owner_cpu_s_per_s": (used(process) - cpu) / took,
        "owner_bytes_written_per_s": (sent(process) - wrote) / took,
    }
    stop.set()
    await asyncio.gather(*running)
    if watchers:
        result["events_each"] = mean(w.had - w.first + 1 if w.first else 0 for w in made)
        result["wrong"] = sum(w.wrong for w in made)
        result["got_nothing"] = sum(not w.first for w in made)
    return result


async def measure(nodes, samples, watchers, stretches, seconds):
    session = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        talking = asyncio.ensure_future(talk(nodes[0], samples, session, stop))
        stack.callback(talking.cancel)
        await asyncio.sleep(3)
        found = await session
        results = []
        for n in range(stretches):
            results.append(await stretch(nodes, found, watchers * (n % 2), seconds))
            print(json.dumps(results[-1]))
            await asyncio.sleep(2)
        stop.set()
        await talking
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=2000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    watchers, stretches, seconds = (50, 2, 5) if given.quick else (given.watchers, 6, 20)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    from nodes import Cluster
    from own_servers import Nats, Postgres

    samples, _ = sf.read(ROOT / "src" / "livemood" / "assets" / "demo.opus", dtype="int16")
    if samples.ndim > 1:
        samples = samples[:, 0].copy()
    limit = ("--set", f"limits.clients={watchers + 100}")
    with (
        tempfile.TemporaryDirectory() as folder,
        Nats("benchmark") as nats,
        Postgres() as postgres,
        Cluster(Path(folder), nats, postgres.new()) as cluster,
    ):
        nodes = [cluster.node(name, *limit) for name in "abc"]
        results = asyncio.run(measure(nodes, samples, watchers, stretches, seconds))
    of = {
        many: {
            name: mean(r[name] for r in results if bool(r["watchers"]) == many)
            for name in ("owner_cpu_s_per_s", "owner_bytes_written_per_s")
        }
        for many in (False, True)
    }
    more = {name: of[True][name] / of[False][name] - 1 for name in of[True]}
    summary = {
        "machine": machine(),
        "stretches": results,
        "without_watchers": of[False],
        "with_watchers": of[True],
        "more_with_watchers": more,
        "wrong": sum(r.get("wrong", 0) for r in results),
    }
    print(json.dumps({"more_with_watchers": more, "wrong": summary["wrong"]}))
    save("watchers", summary, given.out, quick=given.quick)


if __name__ == "__main__":
    main()
