"""What watchers of one session cost the node that has it, where other nodes serve them.

Three nodes of a cluster run as processes, with a NATS and a PostgreSQL of their own. One session is
streamed to the first node at the pace of time. Stretches without watchers and with many, at the two
other nodes, take turns. Of each, the first node's processor time and the bytes that it sent are
taken from the system. Watchers count what they get: each has to have every event once, in order.
What they cost themselves, and the nodes that serve them, is said apart. All of it runs on this
machine, so the first node has the fewer processors the more there are.

    python benchmarks/watchers.py                # 2000 watchers, six stretches of 20 s
    python benchmarks/watchers.py --quick        # 50 watchers, two stretches of 5 s
"""

import asyncio
import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from urllib.parse import urlsplit

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import psutil
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "server" / "cluster")]

RATE, BLOCK = 16000, 1600
SEQ = re.compile(rb'"seq":(\d+)')
OWNER = "owner_cpu_s_per_s", "owner_bytes_sent_per_s"
COSTS = *OWNER, "other_nodes_cpu_s_per_s", "watchers_cpu_s_per_s"


def used(process):
    """Processor seconds."""
    times = process.cpu_times()
    return times.user + times.system


def used_by_the_rest(others):
    """Processor seconds of the nodes that serve watchers, and of this process, which plays them."""
    nodes = sum(used(psutil.Process(node.process.pid)) for node in others)
    return {"other_nodes": nodes, "watchers": used(psutil.Process())}


def sent(process):
    """Bytes that the process sent on each of its connections, by their ports. Linux, `ss`."""
    told = subprocess.run(["ss", "-tniHp"], capture_output=True, text=True, check=True).stdout
    found, name = {}, None
    for line in told.splitlines():
        if not line.startswith((" ", "\t")):
            words = line.split()
            name = (words[3], words[4]) if f"pid={process.pid}," in line else None
        elif name and (bytes_sent := re.search(r"bytes_sent:(\d+)", line)):
            found[name] = int(bytes_sent[1])
    return found


class Watcher(asyncio.Protocol):
    """One who follows the session, and looks at numbers alone: one process plays them all."""

    def __init__(self, url, token, ready):
        """`ready` is called once connected."""
        self.had, self.first, self.wrong, self.cut = 0, 0, 0, False
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self._token, self._ready = token, ready
        self._transport = None

    def connection_made(self, transport):
        """Ask for the session."""
        self._transport = transport
        request = self._protocol.connect()
        request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        self._send()

    def _send(self):
        for data in self._protocol.data_to_send():  # answers to pings, too
            if data:
                self._transport.write(data)

    def data_received(self, data):
        """Look at what came."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._ready()
            elif event.opcode is Opcode.TEXT:
                self._take(event.data)
        self._send()

    def _take(self, data):
        found = SEQ.search(data)
        if found is None:
            self.wrong += 1
            return
        number = int(found[1])
        self.first = self.first or number
        self.wrong += bool(self.had) and number != self.had + 1
        self.had = number

    def connection_lost(self, _error):
        """Nothing more will come."""
        self.cut = True

    def leave(self):
        """Go away in order."""
        self._protocol.send_close(1001)
        self._send()


def talk(url, token, samples, told, blocks):
    """Stream sound at the pace of time, in a process of its own; `blocks` counts what was sent."""
    asyncio.run(_talk(url, token, samples, told, blocks))


async def _talk(url, token, samples, told, blocks):
    headers = {"Authorization": f"Bearer {token}"}
    url = url.replace("http", "ws", 1) + "/v1/stream"
    async with connect(url, additional_headers=headers, compression=None) as ws:
        start = {"type": "start", "rate": 16000, "encoding": "s16le", "purpose": "personal"}
        await ws.send(json.dumps(start | {"informed": True}))
        told.put(json.loads(await ws.recv())["session"])

        async def drop():
            async for _ in ws:
                pass

        dropping = asyncio.ensure_future(drop())
        at, loop = 0, asyncio.get_running_loop()
        began = loop.time()
        while not dropping.done():
            await ws.send(samples[at : at + BLOCK].tobytes())
            at = (at + BLOCK) % len(samples)
            blocks.value += 1
            await asyncio.sleep(max(0.0, began + blocks.value * BLOCK / RATE - loop.time()))


async def stretch(nodes, session, watchers, seconds, blocks):
    """One stretch: what the owner used and sent in it, and what watchers got."""
    owner, *others = nodes
    process = psutil.Process(owner.process.pid)
    all_there, loop = asyncio.Event(), asyncio.get_running_loop()
    there = 0

    def ready():
        nonlocal there
        there += 1
        if there == watchers:
            all_there.set()

    made = []
    for n in range(watchers):
        node = others[n % len(others)]
        url = f"{node.url.replace('http', 'ws', 1)}/v1/timeline?session={session}"
        place = urlsplit(url)
        _, watcher = await loop.create_connection(
            lambda url=url, node=node: Watcher(url, node.token, ready), place.hostname, place.port
        )
        made.append(watcher)
        if n % 20 == 19:
            await asyncio.sleep(0.05)
    if watchers:
        await asyncio.wait_for(all_there.wait(), 120)
    cpu, before, first = used(process), sent(process), blocks.value
    rest = used_by_the_rest(others)
    await asyncio.sleep(seconds)
    while (blocks.value - first) * BLOCK < seconds * RATE:  # the same sound in each stretch
        await asyncio.sleep(0.01)
    sound_s = (blocks.value - first) * BLOCK / RATE
    bytes_sent = sum(count - before.get(name, 0) for name, count in sent(process).items())
    result = {
        "watchers": watchers,
        "sound_s": round(sound_s, 2),
        "owner_cpu_s_per_s": (used(process) - cpu) / sound_s,
        "owner_bytes_sent_per_s": bytes_sent / sound_s,
        **{
            f"{name}_cpu_s_per_s": round((now - rest[name]) / sound_s, 4)
            for name, now in used_by_the_rest(others).items()
        },
    }
    if watchers:
        result["cut_off"] = sum(w.cut for w in made)
        result["events_each"] = mean(w.had - w.first + 1 if w.first else 0 for w in made)
        result["wrong"] = sum(w.wrong for w in made)
        result["got_nothing"] = sum(not w.first for w in made)
    for watcher in made:
        watcher.leave()
    while not all(watcher.cut for watcher in made):
        await asyncio.sleep(0.05)
    return result


async def measure(nodes, samples, watchers, stretches, seconds):
    told, blocks = multiprocessing.Queue(), multiprocessing.Value("i", 0)
    arguments = (nodes[0].url, nodes[0].token, samples, told, blocks)
    talking = multiprocessing.Process(target=talk, args=arguments, daemon=True)
    talking.start()
    try:
        session = await asyncio.to_thread(told.get)
        await asyncio.sleep(3)
        results = []
        for n in range(stretches):
            results.append(await stretch(nodes, session, watchers * (n % 2), seconds, blocks))
            print(json.dumps(results[-1]), flush=True)
            await asyncio.sleep(2)
    finally:
        talking.kill()
    return results


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--watchers", type=int, help="2000, or 50 with --quick")
    args = parser.parse_args()
    watchers = args.watchers or (50 if args.quick else 2000)
    stretches, seconds = (2, 5) if args.quick else (6, 20)
    around = common.surroundings()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    from nodes import Cluster
    from own_servers import Nats, Postgres

    samples = (common.conversation(seconds, args.seed) * 32767).astype(np.int16)
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
            name: mean(r[name] for r in results if bool(r["watchers"]) == many) for name in COSTS
        }
        for many in (False, True)
    }
    result = {
        "watchers": watchers,
        "stretches": results,
        "without_watchers": of[False],
        "with_watchers": of[True],
        "ratio": {name: of[True][name] / of[False][name] for name in OWNER},
        "events_wrong": sum(r.get("wrong", 0) for r in results),
        "watchers_cut_off": sum(r.get("cut_off", 0) for r in results),
        "load_average_at_end": os.getloadavg(),
    }
    common.report("watchers", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
